//! Panics that are caught. A panic is a mistake of ours that ends one piece of work and nothing else, so whoever does
//! work for others catches its panics, counts them, and tells whoever waits.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::pin::pin;
use std::sync::Once;
use std::task::Poll;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// What the log may know of a panic: where it was, and its text if that stands in the source as it is. One that was put
/// together may hold what a client sent, such as the text that could not be cut at that place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    place: Option<String>,
    text: Option<&'static str>,
    /// The call stack, if `RUST_BACKTRACE` asks for it. It names functions and no values.
    backtrace: Option<String>,
}

thread_local! {
    /// Somebody on this thread catches what panics now.
    static IS_CATCHING: Cell<bool> = const { Cell::new(false) };
    /// The panic that is on its way to them.
    static UNDER_WAY: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// Does `work`, and catches its panic. Nothing of what is shared may be left half-done by one: a lock is taken from
/// whoever panicked while they held it, and a connection is closed.
///
/// # Errors
/// The panic.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    hear_of_panics();
    let was_catching = IS_CATCHING.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    IS_CATCHING.set(was_catching);
    done.map_err(Panic::caught)
}

/// The same for what is waited for.
///
/// # Errors
/// The panic.
pub async fn catch_async<T>(work: impl Future<Output = T>) -> Result<T, Panic> {
    let mut work = pin!(work);
    std::future::poll_fn(|context| match catch(|| work.as_mut().poll(context)) {
        Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

/// Notes the place of each panic that is going to be caught, which only a panic hook is told, instead of printing it
/// with whatever is in its text. Other panics are printed as ever.
fn hear_of_panics() {
    static HEARING: Once = Once::new();
    HEARING.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| match IS_CATCHING.get() {
            true => UNDER_WAY.set(Some(Panic::of(info))),
            false => print(info),
        }));
    });
}

impl Panic {
    fn of(info: &PanicHookInfo<'_>) -> Self {
        let backtrace = std::backtrace::Backtrace::capture();
        let is_wanted = backtrace.status() == std::backtrace::BacktraceStatus::Captured;
        Self {
            place: info.location().map(ToString::to_string),
            text: info.payload().downcast_ref().copied(),
            backtrace: is_wanted.then(|| backtrace.to_string()),
        }
    }

    fn caught(payload: Box<dyn Any + Send>) -> Self {
        let noted = UNDER_WAY.take();
        match payload.downcast::<Self>() {
            Ok(panic) => *panic,
            // Where another library has put its own hook in the place of ours, nothing was noted.
            Err(payload) => {
                noted.unwrap_or(Self { place: None, text: payload.downcast_ref().copied(), backtrace: None })
            }
        }
    }

    /// Goes on panicking, where the work is waited for that has panicked on another thread.
    pub fn resume(self) -> ! {
        panic::resume_unwind(Box::new(self))
    }

    /// The call stack, if it was asked for.
    pub fn backtrace(&self) -> Option<&str> {
        self.backtrace.as_deref()
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked at {}", self.place.as_deref().unwrap_or("an unknown place"))?;
        self.text.map_or(Ok(()), |text| write!(f, ": {text}"))
    }
}

/// The threads that requests are answered on.
const WORKER: &str = "worker";

/// How many panics were caught, by the threads that caught them.
#[derive(Clone)]
pub struct Panics(Family<ThreadLabels, Counter>);

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct ThreadLabels {
    thread: &'static str,
}

impl Default for Panics {
    fn default() -> Self {
        let this = Self(Family::default());
        // There from the beginning, so that the first is seen to be one more.
        this.of(WORKER);
        this
    }
}

impl Panics {
    /// Counts one of a request.
    pub fn count_request(&self) {
        self.of(WORKER).caught.inc();
    }

    /// Counts those that are caught by threads of this name.
    pub fn of(&self, thread: &'static str) -> ThreadPanics {
        let caught = self.0.get_or_create(&ThreadLabels { thread }).clone();
        ThreadPanics { thread, caught }
    }

    /// The counters.
    pub(crate) fn counters(&self) -> Family<ThreadLabels, Counter> {
        self.0.clone()
    }
}

/// Those of the threads of one name.
#[derive(Clone)]
pub struct ThreadPanics {
    thread: &'static str,
    caught: Counter,
}

impl ThreadPanics {
    /// The name of the threads.
    pub fn thread(&self) -> &'static str {
        self.thread
    }

    /// Does `work`, and catches, counts and logs its panic: the thread goes on.
    ///
    /// # Errors
    /// The panic.
    pub fn survive<T>(&self, work: impl FnOnce() -> T) -> Result<T, Panic> {
        catch(work).inspect_err(|panic| {
            self.caught.inc();
            let (thread, backtrace) = (self.thread, panic.backtrace());
            tracing::error!(thread, cause = %panic, backtrace, "a thread has panicked, and goes on");
        })
    }
}
