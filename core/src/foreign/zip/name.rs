//! The name of an entry: what its header and its extra fields say together.

use alloc::string::String;

use crate::archive::{
    Fault,
    raw::{self, FLAG_UTF8},
};

/// Info-ZIP's Unicode path (APPNOTE 4.6.9).
const UNICODE_PATH: u16 = 0x7075;

/// The upper half of code page 437, which names without the flag for UTF-8 are in (APPNOTE, appendix D).
const UPPER_HALF: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
                          └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// A name, and what is to be said of how it was found.
pub(super) struct Decoded {
    pub(super) name: String,
    pub(super) fault: Option<Fault>,
}

/// Decodes a name. A Unicode path counts only where it must, for a name that has another encoding than UTF-8; where it
/// says something else than the header, programs that heed it and programs that don't would see two different names.
pub(super) fn decode(name: &[u8], flags: u16, extra: &[u8]) -> Decoded {
    let path = raw::field(extra, UNICODE_PATH);
    if flags & FLAG_UTF8 == 0 && !name.is_ascii() {
        return match path {
            None => Decoded {
                name: code_page_437(name),
                fault: Some(Fault::GuessedName),
            },
            Some(path) => match path_for(path, name) {
                Some(path) => Decoded {
                    name: path.into(),
                    fault: None,
                },
                None => Decoded {
                    name: code_page_437(name),
                    fault: Some(Fault::OtherName),
                },
            },
        };
    }
    let fault = match core::str::from_utf8(name) {
        Err(_) => Some(Fault::Name(crate::archive::name::NameError::NotUtf8)),
        Ok(_) if path.is_some_and(|path| path.get(5..) != Some(name)) => Some(Fault::OtherName),
        Ok(_) => None,
    };
    Decoded {
        name: String::from_utf8_lossy(name).into_owned(),
        fault,
    }
}

/// The path in a Unicode path field, if it was made for this name.
fn path_for<'a>(field: &'a [u8], name: &[u8]) -> Option<&'a str> {
    const VERSION: u8 = 1;
    let made_for = raw::number(field, 1, 4);
    let path = core::str::from_utf8(field.get(5..)?).ok()?;
    (field.first() == Some(&VERSION) && made_for == u64::from(crc32fast::hash(name)))
        .then_some(path)
}

fn code_page_437(name: &[u8]) -> String {
    name.iter()
        .map(|byte| match byte.checked_sub(0x80) {
            None => char::from(*byte),
            Some(upper) => UPPER_HALF
                .chars()
                .nth(usize::from(upper))
                .unwrap_or(char::REPLACEMENT_CHARACTER),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_all_of_the_upper_half() {
        assert_eq!(UPPER_HALF.chars().count(), 128);
        assert_eq!(code_page_437(b"\x81ber \xe1\xff"), "über ß\u{a0}");
    }
}
