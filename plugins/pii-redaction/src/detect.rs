//! What personal data looks like. Each of these looks at text that begins at a place where such data can begin.

/// What came of looking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is not here.
    No,
    /// The text ends too early to know.
    More,
    /// It is here, and so long.
    Yes(usize),
}

/// How long the part before the @ of an address may be (RFC 5321, section 4.5.3.1.1).
pub const MAX_LOCAL: usize = 64;
/// How long the part behind it may be; more of it is left (section 4.5.3.1.2).
const MAX_DOMAIN: usize = 255;

/// Whether a byte may stand before the @ of an address. Of what RFC 5322 allows, these are in use.
pub fn is_local(c: u8) -> bool {
    c.is_ascii_alphanumeric() || b"._%+-".contains(&c)
}

/// An e-mail address.
pub fn email(text: &[u8], end: bool) -> Found {
    let local = text.iter().take(MAX_LOCAL + 1).take_while(|c| is_local(**c)).count();
    match text.get(local) {
        None if !end && local <= MAX_LOCAL => return Found::More,
        Some(b'@') if local > 0 => {}
        _ => return Found::No,
    }
    let is_domain = |c: &&u8| c.is_ascii_alphanumeric() || b".-".contains(c) || !c.is_ascii();
    let rest = &text[local + 1..];
    let mut domain = rest.iter().take(MAX_DOMAIN).take_while(is_domain).count();
    if domain == rest.len() && domain < MAX_DOMAIN && !end {
        return Found::More;
    }
    while domain > 0 && b".-".contains(&rest[domain - 1]) {
        domain -= 1; // the end of a sentence
    }
    match rest[..domain].iter().rposition(|c| *c == b'.') {
        Some(dot) if dot > 0 && domain - dot > 2 => Found::Yes(local + 1 + domain),
        _ => Found::No,
    }
}

/// A group of digits or letters, which may have single separators in between: how many bytes each number of them takes, and whether text
/// that follows could still belong to it.
fn grouped(text: &[u8], member: fn(u8) -> bool, separators: &[u8], max: usize) -> (Vec<usize>, bool) {
    let mut ends = Vec::with_capacity(max);
    for (i, c) in text.iter().enumerate() {
        if member(*c) {
            if ends.len() == max {
                return (ends, false);
            }
            ends.push(i + 1);
        } else if !separators.contains(c) || ends.last() != Some(&i) {
            return (ends, false);
        }
    }
    (ends, true)
}

/// The longest of a group that ends before a character of another kind, has one of the lengths, and passes the check.
fn longest(text: &[u8], ends: &[usize], lengths: std::ops::RangeInclusive<usize>, passes: impl Fn(&[u8]) -> bool) -> Found {
    let found = (1..=ends.len()).rev().filter(|n| lengths.contains(n)).map(|n| ends[n - 1]).find(|end| {
        let alone = text.get(*end).map_or(true, |c| !c.is_ascii_alphanumeric());
        alone && passes(&text[..*end])
    });
    found.map_or(Found::No, Found::Yes)
}

/// The number of a payment card: 13 to 19 digits that pass the check of ISO/IEC 7812-1 (Luhn), in groups or not.
pub fn card(text: &[u8], end: bool) -> Found {
    if !matches!(text.first(), Some(b'2'..=b'6')) {
        return Found::No; // as all cards begin; times in milliseconds begin with 1
    }
    let (ends, open) = grouped(text, |c| c.is_ascii_digit(), b" -", 20);
    match open && !end {
        true => Found::More,
        false => longest(text, &ends, 13..=19, luhn),
    }
}

fn luhn(text: &[u8]) -> bool {
    let digits = text.iter().rev().filter(|c| c.is_ascii_digit()).map(|c| u32::from(c - b'0'));
    let sum: u32 = digits.enumerate().map(|(i, d)| if i % 2 == 0 { d } else { d * 2 / 10 + d * 2 % 10 }).sum();
    sum % 10 == 0
}

/// The number of a bank account (ISO 13616): a country, two check digits, and up to 30 letters and digits, in groups or not.
pub fn iban(text: &[u8], end: bool) -> Found {
    let is_start = |(i, c): (usize, &u8)| if i < 2 { c.is_ascii_alphabetic() } else { c.is_ascii_digit() };
    if !text.iter().take(4).enumerate().all(is_start) {
        return Found::No;
    }
    let (ends, open) = grouped(text, |c| c.is_ascii_alphanumeric(), b" ", 35);
    match open && !end {
        true => Found::More,
        false => longest(text, &ends, 15..=34, mod_97),
    }
}

/// The check of ISO/IEC 7064: the number that comes of the text, with its first four characters last and letters as 10 to 35, leaves 1.
fn mod_97(text: &[u8]) -> bool {
    let characters: Vec<u8> = text.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
    let turned = characters[4..].iter().chain(&characters[..4]);
    let value = |c: &u8| char::from(*c).to_digit(36).unwrap_or(0);
    turned.map(value).fold(0, |rest, v| (rest * if v > 9 { 100 } else { 10 } + v) % 97) == 1
}

/// A telephone number: an international one, which begins with +, or one of North America in its groups of 3, 3 and 4 digits.
pub fn phone(text: &[u8], end: bool) -> Found {
    match text.first() {
        Some(b'+') => international(text, end),
        Some(b'(' | b'2'..=b'9') => american(text, end),
        _ => Found::No,
    }
}

/// Up to 15 digits (ITU-T E.164), with separators of one or two characters, as in +49 (30) 123-456.
fn international(text: &[u8], end: bool) -> Found {
    let (mut digits, mut last, mut gap) = (0, 0, 0);
    for (i, c) in text.iter().enumerate().skip(1) {
        if c.is_ascii_digit() {
            digits += 1;
            last = i + 1;
            gap = 0;
        } else {
            gap += 1;
        }
        let separates = c.is_ascii_digit() || b" -./()".contains(c) && digits > 0;
        if !separates || gap > 2 || digits > 15 {
            return if (8..=15).contains(&digits) { Found::Yes(last) } else { Found::No };
        }
    }
    match (end, digits) {
        (false, _) => Found::More,
        (true, 8..=15) => Found::Yes(last),
        _ => Found::No,
    }
}

/// As 555-123-4567, 555.123.4567, 555 123 4567 and (555) 123-4567.
fn american(text: &[u8], end: bool) -> Found {
    let patterns: [&[u8]; 3] = [b"ddd-ddd-dddd", b"(ddd) ddd-dddd", b"(ddd)ddd-dddd"];
    let fits = |c: u8, p: u8| match p {
        b'd' => c.is_ascii_digit(),
        b'-' => b"-. ".contains(&c),
        _ => c == p,
    };
    for pattern in patterns {
        if !text.iter().zip(pattern).all(|(c, p)| fits(*c, *p)) {
            continue;
        }
        match text.get(pattern.len()) {
            Some(c) if c.is_ascii_alphanumeric() => {}
            None if !end => return Found::More,
            None if text.len() < pattern.len() => {}
            _ => return Found::Yes(pattern.len()),
        }
    }
    Found::No
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(look: fn(&[u8], bool) -> Found, text: &str) -> Found {
        look(text.as_bytes(), true)
    }

    #[test]
    fn emails() {
        for (text, n) in [("bob@example.com", 15), ("b.o+b@a-b.example.com. And", 21), ("bob@müller.de", 14), ("a@b.co,", 6)] {
            assert_eq!(all(email, text), Found::Yes(n), "{text}");
        }
        for text in ["bob@localhost", "@example.com", "bob@.com", "bob@", "bob", "a@b.c"] {
            assert_eq!(all(email, text), Found::No, "{text}");
        }
        assert_eq!(email(b"bob@exam", false), Found::More);
        assert_eq!(email("a".repeat(65).as_bytes(), false), Found::No);
    }

    #[test]
    fn cards() {
        for (text, n) in [("4111111111111111", 16), ("4111 1111 1111 1111 2 apples", 19), ("378282246310005", 15), ("5500-0000-0000-0004.", 19)] {
            assert_eq!(all(card, text), Found::Yes(n), "{text}");
        }
        for text in ["4111111111111112", "1767225600000", "411111111111", "4111111111111111a", "4111  1111 1111 1111", "41111111111111111111"] {
            assert_eq!(all(card, text), Found::No, "{text}");
        }
    }

    #[test]
    fn ibans() {
        for (text, n) in [("DE89370400440532013000", 22), ("GB82 WEST 1234 5698 7654 32 is", 27), ("no9386011117947,", 15)] {
            assert_eq!(all(iban, text), Found::Yes(n), "{text}");
        }
        for text in ["DE89370400440532013001", "DE8", "D189370400440532013000", "AB12 cd"] {
            assert_eq!(all(iban, text), Found::No, "{text}");
        }
    }

    #[test]
    fn phones() {
        for (text, n) in [
            ("+49 (30) 123-456 x", 16),
            ("+14155550100", 12),
            ("(555) 123-4567", 14),
            ("555-123-4567.", 12),
            ("555 123 4567", 12),
            ("+44 20 7946 0958 and", 16),
        ] {
            assert_eq!(all(phone, text), Found::Yes(n), "{text}");
        }
        for text in ["+1 + 2", "+1234567", "555-1234", "5551234567", "555-123-45678", "2026-01-02", "+1234567890123456"] {
            assert_eq!(all(phone, text), Found::No, "{text}");
        }
    }
}
