//! A real browser: headless Chromium, driven through chromedriver. Each [`Window`] has a profile of its own, so two of them are two
//! people, or one person with two devices.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

use super::Shop;

/// chromedriver on a free port; dropping it ends it, and every browser that it started.
pub(crate) struct Chromium {
    driver: Child,
    address: String,
    profiles: TempDir,
}

/// How long a page may take to show what is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Widths to look at a page in, in pixels.
pub(crate) const DESK: u32 = 1100;
pub(crate) const PHONE: u32 = 390;

impl Chromium {
    pub(crate) fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .args(["--port=0", "--log-level=SEVERE"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed");
        let said = BufReader::new(driver.stdout.take().expect("standard output is piped"));
        let port = said.lines().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        Self {
            driver,
            address: format!("127.0.0.1:{}", port.expect("chromedriver says its port")),
            profiles: tempfile::tempdir().unwrap(),
        }
    }

    /// A window in the shop, with a profile that nobody used before.
    pub(crate) async fn window(&self, name: &str, shop: &Shop) -> Window {
        let mut capabilities = Capabilities::new();
        let profile = self.profiles.path().join(name);
        capabilities.insert("goog:chromeOptions".to_owned(), options(&profile));
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://{}", self.address))
            .await
            .expect("chromedriver starts chromium");
        Window {
            client,
            site: format!("http://{}", shop.address()),
            pictures: shop.framework().to_owned(),
        }
    }

    /// Asks it to end its browsers, and itself; they would outlive it if it were killed.
    fn shut_down(&self) -> std::io::Result<()> {
        let mut connection = TcpStream::connect(&self.address)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        let request = format!(
            "GET /shutdown HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        );
        connection.write_all(request.as_bytes())?;
        connection.read_to_end(&mut Vec::new())?;
        Ok(())
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        if self.shut_down().is_err() {
            let _ = self.driver.kill();
        }
        let _ = self.driver.wait();
    }
}

/// No sandbox: it needs rights that root in a container has not, and every page is ours.
fn options(profile: &Path) -> Value {
    json!({ "args": [
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--hide-scrollbars",
        format!("--window-size={DESK},900"),
        format!("--user-data-dir={}", profile.display()),
    ] })
}

/// A browser window in the shop.
pub(crate) struct Window {
    client: Client,
    site: String,
    /// The folder for its pictures.
    pictures: String,
}

impl Window {
    /// Opens a page of the shop, or of another site.
    pub(crate) async fn open(&self, address: &str) {
        let address = match address.strip_prefix('/') {
            Some(path) => format!("{}/{path}", self.site),
            None => address.to_owned(),
        };
        self.client.goto(&address).await.unwrap();
    }

    pub(crate) async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    /// Presses a button or follows a link, by what it says.
    pub(crate) async fn press(&self, text: &str) {
        let path = format!("//*[self::button or self::a][normalize-space()='{text}']");
        self.press_at(Locator::XPath(&path)).await;
    }

    async fn press_at(&self, element: Locator<'_>) {
        match self.client.wait().at_most(PATIENCE).for_element(element).await {
            Ok(found) => found.click().await.unwrap(),
            Err(error) => panic!("no {element:?} to press ({error}) in:\n{}", self.text().await),
        }
    }

    /// Types into a field, by its name.
    pub(crate) async fn fill(&self, field: &str, text: &str) {
        let selector = format!("[name={field}]");
        let element = self.client.find(Locator::Css(&selector)).await.unwrap();
        element.clear().await.unwrap();
        element.send_keys(text).await.unwrap();
    }

    /// Chooses from a list, by what it is called.
    pub(crate) async fn choose(&self, list: &str, value: &str) {
        let selector = format!("[aria-label='{list}']");
        let element = self.client.find(Locator::Css(&selector)).await.unwrap();
        element.select_by_value(value).await.unwrap();
    }

    /// Signs in on the page that asks for it.
    pub(crate) async fn sign_in(&self, name: &str) {
        self.open("/sign-in").await;
        self.fill("name", name).await;
        self.press_at(Locator::Css("main button")).await;
        self.shows(&format!("Welcome, {name}.")).await;
    }

    /// Puts something into the cart, from the shelf.
    pub(crate) async fn add_to_cart(&self, product: &str) {
        self.open("/").await;
        self.press(&format!("Add to cart: {product}")).await;
        self.shows(&format!("{product} is in your cart.")).await;
    }

    /// Waits until the page says that.
    pub(crate) async fn shows(&self, text: &str) {
        let path = format!("//body[contains(normalize-space(), \"{text}\")]");
        let waiting = self.client.wait().at_most(PATIENCE);
        if waiting.for_element(Locator::XPath(&path)).await.is_err() {
            panic!("no {text:?} in:\n{}", self.text().await);
        }
    }

    pub(crate) async fn lacks(&self, text: &str) {
        let page = self.text().await;
        assert!(!page.contains(text), "{text:?} is in:\n{page}");
    }

    /// The page as a reader sees it.
    pub(crate) async fn text(&self) -> String {
        let body = self.client.find(Locator::Css("body")).await.unwrap();
        body.text().await.unwrap()
    }

    /// Runs a script in the page and returns what it returns.
    pub(crate) async fn script(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Makes the window so wide, and as high as its page is then.
    pub(crate) async fn resize(&self, width: u32) {
        let mut height = json!(480);
        for _ in 0..2 {
            let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width == PHONE });
            self.tell("Emulation.setDeviceMetricsOverride", size).await;
            height = self.script("return document.documentElement.scrollHeight").await;
        }
    }

    /// Writes what is to be seen, by day and by night, into the folder of `KEEPSAKE_SCREENSHOTS`, if that is set.
    pub(crate) async fn photograph(&self, name: &str) {
        let Some(folder) = std::env::var_os("KEEPSAKE_SCREENSHOTS") else {
            return;
        };
        let folder = Path::new(&folder).join(&self.pictures);
        fs::create_dir_all(&folder).unwrap();
        for scheme in ["dark", "light"] {
            let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
            self.tell("Emulation.setEmulatedMedia", json!({ "features": [feature] }))
                .await;
            let picture = self.client.screenshot().await.unwrap();
            fs::write(folder.join(format!("{name}-{scheme}.png")), picture).unwrap();
        }
    }

    /// Gives the browser a command of its own protocol, which WebDriver has none for.
    async fn tell(&self, command: &'static str, parameters: Value) {
        self.client.issue_cmd(Tell { command, parameters }).await.unwrap();
    }
}

#[derive(Debug)]
struct Tell {
    command: &'static str,
    parameters: Value,
}

impl WebDriverCompatibleCommand for Tell {
    fn endpoint(&self, driver: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        let session = session.unwrap_or_default();
        driver.join(&format!("session/{session}/goog/cdp/execute"))
    }

    fn method_and_body(&self, _address: &Url) -> (Method, Option<String>) {
        let body = json!({ "cmd": self.command, "params": self.parameters });
        (Method::POST, Some(body.to_string()))
    }
}
