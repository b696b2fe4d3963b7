//! The settings of reverse proxies, as the pages of services give them out.

use latchkey::models::services::admitted::Admitted::Everyone;
use latchkey::models::services::settings::ServiceSettings;

use super::visitor::unescaped;
use super::{Page, Site, Sqlite};

/// The proxies, as addresses name them.
pub const PROXIES: [&str; 4] = ["nginx", "caddy", "traefik", "envoy"];

/// The settings of each proxy for the examples of `docs/forward-auth.md`: block by block, with the addresses of the
/// examples.
pub struct Given {
    /// For the wiki alone.
    pub wiki: [Vec<String>; 4],
    /// For the wiki, which accepts keys in the address, beside the blog.
    pub wiki_with_key: [Vec<String>; 4],
    /// For the wiki beside the blog.
    pub wiki_and_blog: [Vec<String>; 4],
    /// For the blog, which is below `/blog` on the host of the wiki.
    pub blog: [Vec<String>; 4],
    /// For the board, on another host.
    pub board: [Vec<String>; 4],
}

impl Given {
    /// As a site gives them out that has these services.
    pub async fn by_a_site() -> Self {
        let site = Site::start_with(Sqlite, &["--url=https://keys.example.org", "--trusted-proxies=127.0.0.1"]).await;
        site.add_admin("root").await;
        let root = site.signed_in("root").await;
        let at = |host: &str, path: &str| ServiceSettings {
            path: path.to_owned(),
            readers: Everyone,
            ..ServiceSettings::new("A service".to_owned(), host)
        };
        let port = site.url.rsplit(':').next().expect("a port").to_owned();
        let of = async |id: i64| {
            let mut all = PROXIES.map(|_| Vec::new());
            for (at, proxy) in PROXIES.into_iter().enumerate() {
                let page = root.get(&format!("/admin/services/{id}/proxy?for={proxy}")).await;
                assert_eq!(page.status, 200, "{}", page.text());
                // That of the examples in place of the one that the site has.
                let blocks = blocks(&page).into_iter();
                all[at] = blocks.map(|block| block.replace(&port, "3000")).collect();
                assert!(!all[at].is_empty(), "{}", page.text());
            }
            all
        };
        let wiki = site.add_service("wiki", at("wiki.example.org", "/")).await.id;
        let alone = of(wiki).await;
        let board = site.add_service("board", at("board.example.org", "/")).await.id;
        let blog = site.add_service("blog", at("wiki.example.org", "/blog")).await.id;
        let (wiki_and_blog, board, blog) = (of(wiki).await, of(board).await, of(blog).await);
        site.database.execute("UPDATE services SET key_parameter = TRUE WHERE name = 'wiki'");
        Self { wiki: alone, wiki_with_key: of(wiki).await, wiki_and_blog, blog, board }
    }
}

/// What a page has for copying.
pub fn blocks(page: &Page) -> Vec<String> {
    let blocks = page.html.split("<pre><code").skip(1).filter_map(|rest| rest.split_once('>'));
    blocks.map(|(_, rest)| unescaped(rest.split("</code>").next().unwrap_or(rest))).collect()
}
