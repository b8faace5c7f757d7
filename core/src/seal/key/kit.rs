//! Recovery kits: a key file within a page that people keep and print.
//!
//! A kit is HTML that a browser shows without any program. Exactly one element of it, `<pre id="coffer-key-file">`, holds
//! the text of a key file as it is, without markup or character references. Everything else is for people.

use crate::seal::SealError;

/// What the element with the key file starts with.
const START: &str = "<pre id=\"coffer-key-file\">";
const END: &str = "</pre>";

/// The text of the key file: of a kit what it holds, of everything else all of it.
pub(super) fn key_file(text: &str) -> Result<&str, SealError> {
    let text = text.trim_start_matches('\u{feff}');
    if !text.trim_start().starts_with('<') {
        return Ok(text);
    }
    let malformed = |what| SealError::KeyMalformed { what };
    let (_, rest) = text
        .split_once(START)
        .ok_or_else(|| malformed("this page is no recovery kit, it holds no key file"))?;
    if rest.contains(START) {
        return Err(malformed("a recovery kit holds exactly one key file"));
    }
    let (file, _) = rest
        .split_once(END)
        .ok_or_else(|| malformed("the recovery kit is cut short"))?;
    if file.contains(['<', '&']) {
        return Err(malformed("the key file in the recovery kit was changed"));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_kit_holds_one_key_file_and_a_key_file_is_itself() {
        let kit =
            |inside: &str| format!("<!doctype html><p>Key</p>{START}{inside}{END}<p>more</p>");
        assert_eq!(key_file(&kit("# a\nKEY\n")), Ok("# a\nKEY\n"));
        assert_eq!(key_file(&format!("\u{feff}\n {}", kit("K"))), Ok("K"));
        assert_eq!(key_file("# a < b\nKEY"), Ok("# a < b\nKEY"));
        for wrong in [
            "<!doctype html><p>nothing</p>",
            &kit(&format!("K{END}{START}K")),
            &format!("<p>{START}K"),
            &kit("<b>K</b>"),
            &kit("K&amp;"),
        ] {
            assert!(key_file(wrong).is_err(), "{wrong}");
        }
    }
}
