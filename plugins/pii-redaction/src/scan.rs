//! Masks personal data in text that comes piece by piece.

use crate::detect::{self, Found, MAX_LOCAL};

/// What is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    pub email: bool,
    pub card: bool,
    pub iban: bool,
    pub phone: bool,
}

/// Masks in a text. It holds back no more than what may be the beginning of something, which is less than 400 bytes.
pub struct Scanner {
    kinds: Kinds,
    mask: Vec<u8>,
    held: Vec<u8>,
    before: u8,   // the byte before what is held
    local: usize, // how many bytes before it could belong to an e-mail address
}

impl Scanner {
    pub fn new(kinds: Kinds, mask: &str) -> Scanner {
        Scanner { kinds, mask: mask.as_bytes().to_vec(), held: Vec::new(), before: b' ', local: 0 }
    }

    /// Takes the next piece, and writes what is certain.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        self.held.extend_from_slice(piece);
        self.run(false, out);
    }

    /// Writes the rest: the text is at its end. The next piece begins another.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        self.run(true, out);
        self.before = b' ';
        self.local = 0;
    }

    fn run(&mut self, end: bool, out: &mut Vec<u8>) {
        let mut at = 0;
        while at < self.held.len() {
            let skip = match self.look(&self.held[at..], end) {
                Found::More => break,
                Found::No => {
                    out.push(self.held[at]);
                    1
                }
                Found::Yes(n) => {
                    out.extend_from_slice(&self.mask);
                    n
                }
            };
            at += skip;
            self.before = self.held[at - 1];
            self.local = if skip == 1 && detect::is_local(self.before) { self.local + 1 } else { 0 };
        }
        self.held.drain(..at);
    }

    /// Looks for all kinds at once. One that needs more text keeps the others waiting, so that the order of the pieces' ends changes nothing.
    fn look(&self, text: &[u8], end: bool) -> Found {
        let first = text[0];
        if !first.is_ascii_alphanumeric() && !b"+(._%-".contains(&first) {
            return Found::No;
        }
        let apart = !self.before.is_ascii_alphanumeric();
        // An address is looked for where it can begin; and, as what stands before may be any length, now and then behind that.
        if self.kinds.email && self.local % MAX_LOCAL == 0 {
            match detect::email(text, end) {
                Found::No => {}
                found => return found,
            }
        }
        let looks: [(bool, fn(&[u8], bool) -> Found); 3] =
            [(self.kinds.card, detect::card), (self.kinds.iban, detect::iban), (self.kinds.phone, detect::phone)];
        for (wanted, look) in looks {
            if wanted && apart {
                match look(text, end) {
                    Found::No => {}
                    found => return found,
                }
            }
        }
        Found::No
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub const ALL: Kinds = Kinds { email: true, card: true, iban: true, phone: true };

    fn mask(pieces: &[&[u8]]) -> String {
        let (mut scanner, mut out) = (Scanner::new(ALL, "***"), Vec::new());
        for piece in pieces {
            scanner.push(piece, &mut out);
            assert!(scanner.held.len() < 400, "holds {}", scanner.held.len());
        }
        scanner.end(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn wherever_a_piece_ends() {
        let text =
            "Bob <bob@example.com>, card 4111 1111 1111 1111, to DE89 3704 0044 0532 0130 00 or (555) 123-4567 / +49 30 123456. In 2026, 1-2-3.";
        let want = "Bob <***>, card ***, to *** or *** / ***. In 2026, 1-2-3.";
        assert_eq!(mask(&[text.as_bytes()]), want);
        for i in 0..text.len() {
            assert_eq!(mask(&[text[..i].as_bytes(), text[i..].as_bytes()]), want, "{i}");
        }
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(mask(&bytes), want);
    }

    #[test]
    fn long_words_hide_nothing_and_are_not_held() {
        let text = format!("{}@example.com", "a".repeat(1000));
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(7).collect();
        assert_eq!(mask(&pieces), format!("{}***", "a".repeat(960)));
        let digits = "4".repeat(10_000);
        assert_eq!(mask(&digits.as_bytes().chunks(7).collect::<Vec<_>>()), digits);
    }

    #[test]
    fn what_is_within_words_is_left() {
        for text in ["x4111111111111111", "ADE89370400440532013000", "a555-123-4567", "1 + 1 = 2", "10.0.0.1", "é 12"] {
            assert_eq!(mask(&[text.as_bytes()]), text);
        }
    }
}
