//! Damage of every kind, chosen by bytes.

use crate::choices::Choices;

/// Changes `file` as the next choices say: bytes overwritten, flipped, cut out, put in, copied or exchanged.
pub(crate) fn edit(file: &mut Vec<u8>, choices: &mut Choices<'_>) {
    if file.is_empty() {
        file.extend_from_slice(choices.run());
        return;
    }
    let at = choices.below(file.len());
    match choices.byte() % 8 {
        0 => file[at] ^= 1 << (choices.byte() % 8),
        1 => {
            let bytes = choices.run();
            let end = file.len().min(at + bytes.len());
            file[at..end].copy_from_slice(&bytes[..end - at]);
        }
        2 => {
            let end = file.len().min(at + 1 + choices.below(file.len()));
            file.drain(at..end);
        }
        3 => {
            file.splice(at..at, choices.run().iter().copied());
        }
        4 => file.truncate(at),
        5 => file.extend_from_slice(choices.run()),
        6 => {
            // Something of the file itself, at another place: a chunk moved, a record twice.
            let len = (1 + choices.below(file.len())).min(file.len() - at);
            let to = choices.below(file.len());
            let copy = file[at..at + len].to_vec();
            let end = file.len().min(to + len);
            file[to..end].copy_from_slice(&copy[..end - to]);
        }
        _ => {
            let value = choices.number().to_be_bytes();
            let width = 1 + usize::from(choices.byte() % 8);
            let end = file.len().min(at + width);
            file[at..end].copy_from_slice(&value[8 - width..][..end - at]);
        }
    }
}
