//! An authorizer: it lets in whoever knows the secret API_KEY.

use postern::{AuthorizerEvent, Decision, Error, Result};

postern::authorizer!(check);

fn check(event: AuthorizerEvent) -> Result<Decision, Error> {
    let given = event.header("x-api-key").filter(|key| !key.is_empty()).ok_or_else(Error::unauthorized)?;
    if !same(given.as_bytes(), postern::secret("API_KEY")?.as_bytes()) {
        return Ok(Decision::deny());
    }
    Ok(Decision::allow().context("caller", "key"))
}

/// Compares in constant time: how long a wrong key takes tells nothing of the right one.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn compares() {
        assert!(same(b"key", b"key"));
        assert!(!same(b"key", b"kez") && !same(b"key", b"ke") && !same(b"", b"k"));
    }
}
