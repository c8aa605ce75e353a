//! [`SigningKeys`]: the key ring. One key signs, any number verify, so that keys rotate without logging anyone out (P4).

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use base64ct::{Base64, Base64Unpadded, Encoding};
use hmac::{Hmac, KeyInit};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::id::random_bytes;

/// A secret that signs tokens: at least 32 bytes, for example from `openssl rand -base64 32`.
///
/// `Debug` shows nothing of it.
#[derive(Clone)]
pub struct SigningKey {
    /// HMAC-SHA256 with the key already absorbed: signing costs two compressions, not four.
    mac: Hmac<Sha256>,
}

impl SigningKey {
    /// The fewest bytes of a key: the output length of SHA-256 (RFC 2104 §3).
    pub const MIN_LEN: usize = 32;

    /// A fresh key of 32 bytes from the operating system's generator.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the operating system yields no randomness.
    pub fn generate() -> Result<Self> {
        Ok(Self::absorb(
            Zeroizing::new(random_bytes::<{ Self::MIN_LEN }>()?).as_slice(),
        ))
    }

    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if there are fewer than [`MIN_LEN`](Self::MIN_LEN) bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.len() < Self::MIN_LEN {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "reading a signing key: {} bytes, at least {} are needed",
                    bytes.len(),
                    Self::MIN_LEN
                ),
            ));
        }
        Ok(Self::absorb(bytes))
    }

    /// From base64, with or without padding, of either alphabet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if it is no base64 or too short.
    pub fn from_base64(text: &str) -> Result<Self> {
        let standard = |character: char| match character {
            '-' => '+',
            '_' => '/',
            other => other,
        };
        let text: Zeroizing<String> = Zeroizing::new(text.trim().trim_end_matches('=').chars().map(standard).collect());
        let bytes = Base64Unpadded::decode_vec(&text)
            .map(Zeroizing::new)
            .map_err(|_| Error::new(ErrorKind::Invalid, "reading a signing key: it is not base64"))?;
        Self::from_bytes(&bytes)
    }

    fn absorb(bytes: &[u8]) -> Self {
        Self {
            mac: Hmac::new_from_slice(bytes).expect("HMAC takes keys of any length"),
        }
    }

    pub(super) fn mac(&self) -> Hmac<Sha256> {
        self.mac.clone()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// The keys that tokens are signed and verified with.
///
/// A token under a verifying key is accepted and re-issued under the signing one. To rotate: put a new key in front, keep the old
/// one behind it until sessions signed with it have ended (at most the absolute lifetime), then drop it.
///
/// ```
/// use session_core::{SigningKey, SigningKeys};
///
/// let old = SigningKey::generate()?;
/// let keys = SigningKeys::new(SigningKey::generate()?).and_verify(old);
/// assert_eq!(format!("{keys:?}"), "SigningKeys(1 signing, 1 verifying)");
/// # Ok::<(), session_core::Error>(())
/// ```
#[derive(Clone)]
pub struct SigningKeys {
    signing: SigningKey,
    verifying: Vec<SigningKey>,
}

impl SigningKeys {
    /// A ring of one key.
    pub fn new(signing: SigningKey) -> Self {
        Self {
            signing,
            verifying: Vec::new(),
        }
    }

    /// A ring of one fresh key: every session ends with the process, as nobody can verify its token afterwards.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the operating system yields no randomness.
    pub fn generate() -> Result<Self> {
        SigningKey::generate().map(Self::new)
    }

    /// Accepts tokens under an older key too.
    #[must_use]
    pub fn and_verify(mut self, older: SigningKey) -> Self {
        self.verifying.push(older);
        self
    }

    /// The keys in an environment variable: base64, separated by commas or white space; the first signs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the variable is not set, empty, or holds something that is no key.
    pub fn from_env(variable: &str) -> Result<Self> {
        let text = std::env::var(variable).map(Zeroizing::new).map_err(|_| {
            Error::new(
                ErrorKind::Invalid,
                format!("reading signing keys from the environment: set {variable} to base64 of 32 random bytes, as `openssl rand -base64 32` prints"),
            )
        })?;
        Self::parse(&text).map_err(|error| {
            Error::new(error.kind(), format!("reading signing keys from {variable}")).with_source(error)
        })
    }

    /// The keys in a file, which is created with a fresh key if it is missing: the set-up that needs no set-up.
    ///
    /// The file holds one key a line in base64; the first signs, lines that start with `#` are comments. It is created with mode
    /// 0600, and refused if others may read it. Several processes may start at once: one creates it, all read the same.
    ///
    /// This blocks; call it while starting.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Permission`] if the file cannot be read or written or others may read it, [`ErrorKind::Invalid`] if a line is
    /// no key. Every message names the path.
    pub fn load_or_create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = match read_private(path) {
            // An empty file is one that another process is about to fill.
            Ok(text) if text.trim().is_empty() => fill(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => fill(path),
            read => read,
        };
        let text = text.map_err(|error| {
            Error::new(
                ErrorKind::Permission,
                format!(
                    "reading or creating signing keys at {}: check that this user may write to its folder, and run `chmod 600` on it",
                    path.display()
                ),
            )
            .with_source(error)
        })?;
        Self::parse(&text).map_err(|error| {
            Error::new(error.kind(), format!("reading signing keys from {}", path.display())).with_source(error)
        })
    }

    fn parse(text: &str) -> Result<Self> {
        let mut keys = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .flat_map(|line| line.split([',', ' ', '\t', '\r']))
            .filter(|word| !word.is_empty())
            .map(SigningKey::from_base64);
        let signing = keys
            .next()
            .ok_or_else(|| Error::new(ErrorKind::Invalid, "reading signing keys: there is none"))??;
        Ok(Self {
            signing,
            verifying: keys.collect::<Result<_>>()?,
        })
    }

    pub(super) fn signing(&self) -> &SigningKey {
        &self.signing
    }

    pub(super) fn verifying(&self) -> &[SigningKey] {
        &self.verifying
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKeys(1 signing, {} verifying)", self.verifying.len())
    }
}

/// Writes a fresh key into a file that is missing or empty, and returns what the file then holds. Of several processes one writes:
/// the others wait for its lock.
fn fill(path: &Path) -> io::Result<Zeroizing<String>> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.lock()?;
    check_private(&file)?;
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text)?;
    if text.trim().is_empty() {
        let secret = Zeroizing::new(random_bytes::<{ SigningKey::MIN_LEN }>().map_err(io::Error::other)?);
        *text = format!(
            "# Signs session tokens: the first key signs, the others verify. Keep it secret.\n{}\n",
            *Zeroizing::new(Base64::encode_string(secret.as_slice()))
        );
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
    }
    Ok(text)
}

fn read_private(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut file = File::open(path)?;
    check_private(&file)?;
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text)?;
    Ok(text)
}

fn check_private(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::mode(&file.metadata()?) & 0o077 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "other users may read the file",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    #[test]
    fn a_short_key_is_refused() {
        assert_eq!(SigningKey::from_bytes(&[0; 31]).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(SigningKey::from_base64("AAAA").unwrap_err().kind(), ErrorKind::Invalid);
    }

    #[test]
    fn a_key_is_read_from_either_base64_alphabet_padded_or_not() {
        for start in ["-_-_", "+/+/"] {
            for end in ["", "=", "=\n"] {
                let text = format!("{start}{}{end}", "A".repeat(39));
                assert!(SigningKey::from_base64(&text).is_ok(), "{text}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_missing_key_file_is_created_for_its_owner_alone_and_read_again() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/session.key");
        SigningKeys::load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let first = fs::read(&path).unwrap();
        SigningKeys::load_or_create(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), first);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn processes_that_start_at_once_agree_on_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.key");
        let start = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            let started: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        SigningKeys::load_or_create(&path)
                            .map(|_| fs::read(&path).unwrap())
                            .unwrap()
                    })
                })
                .collect();
            let mut read: Vec<_> = started.into_iter().map(|thread| thread.join().unwrap()).collect();
            read.dedup();
            assert_eq!(read.len(), 1);
        });
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.key");
        fs::write(&path, KEY).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = SigningKeys::load_or_create(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permission);
        assert!(error.to_string().contains("session.key"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_is_there_is_read_or_refused_without_waiting_for_its_lock() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        for (mode, expected) in [(0o600, None), (0o640, Some(ErrorKind::Permission))] {
            let path = folder.path().join(format!("{mode:o}.key"));
            fs::write(&path, KEY).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let held = File::open(&path).unwrap();
            held.lock().unwrap();
            let (answer, answered) = std::sync::mpsc::channel();
            std::thread::spawn(move || answer.send(SigningKeys::load_or_create(&path).err().map(|error| error.kind())));
            let waited = std::time::Duration::from_secs(10);
            assert_eq!(answered.recv_timeout(waited), Ok(expected), "mode {mode:o}");
        }
    }

    #[test]
    fn debug_shows_how_many_keys_there_are_and_nothing_of_them() {
        let key = SigningKey::from_base64(KEY).unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey(…)");
        let keys = SigningKeys::new(key.clone()).and_verify(key);
        assert_eq!(format!("{keys:?}"), "SigningKeys(1 signing, 1 verifying)");
    }

    #[test]
    fn a_key_file_may_hold_comments_and_older_keys() {
        let keys = SigningKeys::parse(&format!("# new\n{KEY}\n\n# old\n{KEY}, {KEY}\n")).unwrap();
        assert_eq!(keys.verifying().len(), 2);
    }

    #[test]
    fn an_error_about_a_key_does_not_show_it() {
        let error = SigningKeys::parse("not-base64-but-secret!").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret!"));
    }
}
