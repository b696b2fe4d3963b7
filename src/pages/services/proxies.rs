//! The settings of reverse proxies, ready to copy. They stand once, in `templates/proxies/`: the blocks of
//! `docs/forward-auth.md` are these for its examples, and tests run them.

use std::net::{Ipv4Addr, SocketAddr};

use askama::Template;

use crate::app::App;
use crate::forward_auth::own_host;
use crate::http::error::AppError;
use crate::models::services::service::Service;
use crate::models::text_enum::text_enum;

text_enum! {
    /// A reverse proxy that can ask Latchkey.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Proxy(as_str, title) {
        /// With `auth_request`.
        Nginx = ("nginx", "nginx"),
        /// With `forward_auth`.
        Caddy = ("caddy", "Caddy"),
        /// With `forwardAuth`.
        Traefik = ("traefik", "Traefik"),
        /// With `ext_authz`.
        Envoy = ("envoy", "Envoy"),
    }
}

/// The host that stands for Latchkey's own while `LATCHKEY_URL` is not set.
const EXAMPLE_HOST: &str = "keys.example.org";
/// Where the first service is taken to listen. Nobody but the person who runs it knows.
const FIRST_PORT: u16 = 8080;
const ONCE: &str = "Once for all services.";
const FOR_THIS_HOST: &str = "For this host.";

/// Where Latchkey is, as a proxy sees it.
pub struct OwnPlace {
    /// The address that it listens on.
    pub address: SocketAddr,
    /// The host that people visit.
    pub host: String,
    /// See [`PublicUrl::base_path`](crate::config::public_url::PublicUrl::base_path).
    pub base_path: String,
}

/// A service as a proxy sees it.
pub struct Place {
    /// What its scopes call it.
    name: String,
    /// What people call it.
    pub title: String,
    path: String,
    /// Where it listens, which is an example.
    pub app: SocketAddr,
    /// Whether the key in the query counts.
    key_parameter: bool,
}

/// All that the settings are about: the services on one host, those with the longest path first, and which one of them
/// is asked for.
pub struct Proxied {
    /// Latchkey.
    pub latchkey: OwnPlace,
    host: String,
    /// The services.
    pub places: Vec<Place>,
    asked_for: usize,
}

/// A file of settings, or a part of one.
pub struct Settings {
    /// The id of its text on the page.
    pub id: String,
    /// Its name, or what the part is.
    pub name: String,
    /// What to do with it.
    pub about: &'static str,
    /// What stands in it.
    pub text: String,
}

/// The templates.
#[derive(Template)]
#[template(escape = "none")]
enum Part<'a> {
    #[template(path = "proxies/nginx_latchkey.conf")]
    NginxLatchkey { latchkey: &'a OwnPlace },
    #[template(path = "proxies/nginx_host.conf")]
    NginxHost { latchkey: &'a OwnPlace, host: &'a str, places: &'a [Place] },
    #[template(path = "proxies/caddy_latchkey.caddyfile")]
    CaddyLatchkey { latchkey: &'a OwnPlace },
    #[template(path = "proxies/caddy_host.caddyfile")]
    CaddyHost { latchkey: &'a OwnPlace, host: &'a str, places: &'a [Place] },
    #[template(path = "proxies/traefik.yml")]
    TraefikOwn,
    #[template(path = "proxies/traefik_latchkey.yml")]
    TraefikLatchkey { latchkey: &'a OwnPlace },
    #[template(path = "proxies/traefik_service.yml")]
    TraefikService { host: &'a str, place: &'a Place },
    #[template(path = "proxies/envoy.yaml")]
    Envoy { latchkey: &'a OwnPlace, host: &'a str, places: &'a [Place] },
    #[template(path = "proxies/envoy_host.yaml")]
    EnvoyHost { host: &'a str, places: &'a [Place] },
    #[template(path = "proxies/envoy_certificate.yaml")]
    EnvoyCertificate { host: &'a str },
    #[template(path = "proxies/envoy_clusters.yaml")]
    EnvoyClusters { places: &'a [Place] },
}

impl OwnPlace {
    /// Where `app` is.
    pub fn of(app: &App) -> Self {
        let bound = app.bound;
        // Nobody connects to the address that stands for all addresses. A proxy on this machine reaches this one.
        let ip = if bound.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { bound.ip() };
        Self {
            address: SocketAddr::new(ip, bound.port()),
            host: own_host(app).unwrap_or_else(|| EXAMPLE_HOST.to_owned()),
            base_path: app.url.base_path().to_owned(),
        }
    }
}

impl Place {
    /// What a proxy calls the service. Nothing else in the settings has such a name, and no service has one that YAML
    /// would take for a number.
    fn id(&self) -> String {
        format!("service-{}", self.name)
    }

    fn is_whole_host(&self) -> bool {
        self.path == "/"
    }

    /// The path with a slash at its end, which begins only those below it.
    fn folder(&self) -> String {
        if self.is_whole_host() { self.path.clone() } else { format!("{}/", self.path) }
    }
}

impl Proxied {
    /// The settings for `service`, which is one of `on_host`, the open services on its host, those with the longest path
    /// first.
    pub fn new(latchkey: OwnPlace, service: &Service, on_host: &[Service]) -> Self {
        let mut ids: Vec<i64> = on_host.iter().map(|service| service.id).collect();
        ids.sort_unstable();
        let ports = |id: i64| (FIRST_PORT..).zip(&ids).find(|(_, other)| **other == id);
        let place = |service: &Service| Place {
            name: service.name.clone(),
            title: service.settings.title.clone(),
            path: service.settings.path.clone(),
            app: SocketAddr::from((Ipv4Addr::LOCALHOST, ports(service.id).map_or(FIRST_PORT, |(port, _)| port))),
            key_parameter: service.settings.key_parameter,
        };
        Self {
            latchkey,
            host: service.settings.host.clone(),
            places: on_host.iter().map(place).collect(),
            asked_for: on_host.iter().position(|other| other.id == service.id).unwrap_or_default(),
        }
    }

    /// The services that the settings of `proxy` name.
    pub fn places_for(&self, proxy: Proxy) -> &[Place] {
        match proxy {
            Proxy::Traefik => self.places.get(self.asked_for..=self.asked_for).unwrap_or_default(),
            Proxy::Nginx | Proxy::Caddy | Proxy::Envoy => &self.places,
        }
    }

    /// Whether `proxy` cannot remove the key from the address, although a service accepts it there.
    pub fn leaves_key(&self, proxy: Proxy) -> bool {
        proxy == Proxy::Traefik && self.places_for(proxy).iter().any(|place| place.key_parameter)
    }

    /// The settings of `proxy`, file by file.
    ///
    /// # Errors
    /// Returns an error if a template cannot be rendered.
    pub fn settings(&self, proxy: Proxy) -> Result<Vec<Settings>, AppError> {
        let rendered = (1..).zip(self.parts(proxy)).map(|(number, (name, about, part))| {
            let text = part.render().map_err(AppError::internal)?.trim_matches('\n').to_owned();
            Ok(Settings { id: format!("settings-{number}"), name, about, text })
        });
        rendered.collect()
    }

    /// The files of `proxy`, each with its name and what to do with it.
    fn parts(&self, proxy: Proxy) -> Vec<(String, &'static str, Part<'_>)> {
        let Self { latchkey, host, places, .. } = self;
        match proxy {
            Proxy::Nginx => vec![
                (
                    "/etc/nginx/conf.d/00-latchkey.conf".to_owned(),
                    "Once for all services. Because of its name, nginx reads it first.",
                    Part::NginxLatchkey { latchkey },
                ),
                (format!("/etc/nginx/conf.d/{host}.conf"), FOR_THIS_HOST, Part::NginxHost { latchkey, host, places }),
            ],
            Proxy::Caddy => vec![
                ("/etc/caddy/Caddyfile".to_owned(), ONCE, Part::CaddyLatchkey { latchkey }),
                (
                    "/etc/caddy/Caddyfile, continued".to_owned(),
                    FOR_THIS_HOST,
                    Part::CaddyHost { latchkey, host, places },
                ),
            ],
            Proxy::Traefik => {
                let services = self.places_for(proxy).iter().map(|place| {
                    let name = format!("/etc/traefik/conf.d/{}.yml", place.id());
                    (name, "For this service.", Part::TraefikService { host, place })
                });
                let once = [
                    ("/etc/traefik/traefik.yml".to_owned(), ONCE, Part::TraefikOwn),
                    ("/etc/traefik/conf.d/latchkey.yml".to_owned(), ONCE, Part::TraefikLatchkey { latchkey }),
                ];
                once.into_iter().chain(services).collect()
            }
            Proxy::Envoy => vec![
                (
                    "/etc/envoy/envoy.yaml".to_owned(),
                    "The whole file. If Envoy has such a file for another host already, add the three parts below to it.",
                    Part::Envoy { latchkey, host, places },
                ),
                (
                    "Certificate".to_owned(),
                    "Part of the file above: an entry of the list tls_certificates.",
                    Part::EnvoyCertificate { host },
                ),
                (
                    "Host".to_owned(),
                    "Part of the file above: an entry of the list virtual_hosts.",
                    Part::EnvoyHost { host, places },
                ),
                (
                    "Clusters".to_owned(),
                    "Part of the file above: entries of the list clusters.",
                    Part::EnvoyClusters { places },
                ),
            ],
        }
    }
}
