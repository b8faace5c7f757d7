//! Headers of sealed archives.

use coffer_core::seal::{FileKey, Header, SealError, Stanza};

use crate::{
    choices::Choices,
    drive::{Pieces, open_sealed},
    oracle, samples,
};

/// A header that is accepted is the only one that says the same: written again, it has the same bytes. What stanzas a
/// writer is given, a reader finds.
pub fn header(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    match choices.byte() % 4 {
        0 => any_block(choices.rest()),
        1 => any_text(&mut choices),
        2 => stanzas(&mut choices),
        _ => known_stanzas(&mut choices),
    }
}

fn key() -> FileKey {
    FileKey::new(samples::FILE_KEY)
}

/// Bytes as they come.
fn any_block(block: &[u8]) {
    if let Ok(header) = Header::parse(block) {
        let again = Header::encode(header.stanzas(), &key(), block.len() as u64).unwrap();
        // The MAC may be of another key; all the rest has one form only.
        let text_len = u32::from_be_bytes(block[12..16].try_into().unwrap()) as usize;
        let mac_at = 16 + text_len - oracle::MAC_LINE;
        assert_eq!(again.len(), block.len());
        assert_eq!(again[..mac_at + 4], block[..mac_at + 4]);
        assert_eq!(again[16 + text_len..], block[16 + text_len..]);
    }
}

/// A text in an authentic header of a whole file.
fn any_text(choices: &mut Choices<'_>) {
    let more = u16::from(choices.byte() % 4);
    let pieces = Pieces::of([choices.below(6000), choices.below(6000)]);
    let text = choices.rest();
    let units = u16::try_from((16 + text.len() + oracle::MAC_LINE).div_ceil(4096)).unwrap();
    authentic(text, units + more, &pieces);
}

fn authentic(text: &[u8], units: u16, pieces: &Pieces) {
    let block = oracle::header_block(&samples::FILE_KEY, text, units);
    let parsed = Header::parse(&block);
    // The smallest file with this header.
    let sample = &samples::sealed()[0];
    let mut file = block.clone();
    file.extend_from_slice(&sample.file[sample.header_len..]);
    let opened = open_sealed(&file, &Pieces::whole());
    let again = open_sealed(&file, pieces);
    assert_eq!(
        opened.as_ref().map(|sealed| sealed.locks()),
        again.as_ref().map(|sealed| sealed.locks())
    );
    match (parsed, opened) {
        (Err(error), opened) => assert_eq!(opened.err(), Some(error)),
        (Ok(header), opened) => {
            let again = Header::encode(header.stanzas(), &key(), block.len() as u64);
            assert_eq!(again.as_ref(), Ok(&block));
            match opened {
                Ok(sealed) => {
                    assert_eq!(sealed.unlock_with_file_key(&key()), Ok(()));
                    assert_eq!(sealed.header_len(), block.len() as u64);
                    assert_eq!(sealed.locks().len(), header.stanzas().len());
                    unlock(&header, &sealed);
                }
                // A known stanza in a form that it can't have.
                Err(error) => assert!(
                    matches!(error, SealError::HeaderMalformed { .. }),
                    "{error:?}"
                ),
            }
        }
    }
}

/// Tries the samples' keys. Whatever opens gives the file key, since the MAC is of no other.
fn unlock(header: &Header, sealed: &coffer_core::seal::Sealed) {
    let has = |tag: &str| header.stanzas().iter().any(|stanza| stanza.tag == tag);
    for (secret, tag) in samples::secret_keys()
        .iter()
        .zip(["mlkem768x25519", "x25519"])
    {
        if has(tag)
            && let Ok(opened) = sealed.unlock_with_key(secret)
        {
            assert_eq!(opened.expose(), &samples::FILE_KEY);
        }
    }
    if cheap(header.stanzas())
        && (has("argon2id") || has("locked-key"))
        && let Ok(opened) = sealed.unlock(&coffer_core::seal::Password::new(samples::PASSWORD))
    {
        assert_eq!(opened.expose(), &samples::FILE_KEY);
    }
}

/// Whether trying a password on these stanzas takes no time worth mentioning: fuzzing is not for waiting.
pub(crate) fn cheap(stanzas: &[Stanza]) -> bool {
    let cheap = |stanza: &Stanza| {
        let numbers = match stanza.tag.as_str() {
            "argon2id" => stanza.args.get(0..2),
            "locked-key" => stanza.args.get(1..3),
            _ => return true,
        };
        let number = |at: usize| numbers.and_then(|numbers| numbers.get(at)?.parse::<u64>().ok());
        matches!((number(0), number(1)), (Some(memory), Some(passes)) if memory <= 64 && passes <= 2)
    };
    stanzas.len() <= 4 && stanzas.iter().all(cheap)
}

/// Stanzas that the grammar allows, written by the writer.
fn stanzas(choices: &mut Choices<'_>) {
    fn word(choices: &mut Choices<'_>) -> String {
        let word: String = choices
            .run()
            .iter()
            .map(|byte| char::from(b'!' + byte % 94))
            .collect();
        if word.is_empty() { "x".into() } else { word }
    }
    let mut stanzas = Vec::new();
    while choices.any() && stanzas.len() < 40 {
        stanzas.push(Stanza {
            tag: word(choices),
            args: (0..choices.byte() % 5).map(|_| word(choices)).collect(),
            body: match choices.byte() {
                250.. => vec![7; choices.below(60_000)],
                len => choices.take(len.into()).to_vec(),
            },
        });
    }
    match Header::encode(&stanzas, &key(), 0) {
        Ok(block) => {
            let header = Header::parse(&block).unwrap();
            assert_eq!(header.stanzas(), stanzas);
            assert!(stanzas.len() <= 32 && block.len() <= 16 * 4096);
        }
        Err(error) => {
            assert_eq!(error, SealError::TooLarge);
            // Base64 takes 4 characters for 3 bytes, and a line feed each 64.
            let text: usize = stanzas
                .iter()
                .map(|stanza| {
                    let words: usize = stanza.args.iter().map(|arg| arg.len() + 1).sum();
                    let body = (stanza.body.len() * 4).div_ceil(3);
                    3 + stanza.tag.len() + words + 1 + body + body / 64 + 1
                })
                .sum();
            assert!(stanzas.len() > 32 || 16 + text + oracle::MAC_LINE > 16 * 4096);
        }
    }
}

/// The samples' own stanzas, their text changed a little and made authentic again.
fn known_stanzas(choices: &mut Choices<'_>) {
    let sample = choices.pick(samples::sealed());
    let mut text = oracle::header_text(&sample.file).to_vec();
    let other = choices.pick(samples::sealed());
    text.extend_from_slice(oracle::header_text(&other.file));
    while choices.any() {
        crate::edit::edit(&mut text, choices);
    }
    text.truncate(60_000);
    let units = u16::try_from((16 + text.len() + oracle::MAC_LINE).div_ceil(4096)).unwrap();
    authentic(&text, units, &Pieces::of([1000, 1, 5000]));
}
