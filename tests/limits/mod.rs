//! What bounds how much one key, one person or one network can ask for and leave behind.

mod api;
mod bounds;
mod kept;

use crate::support::*;
