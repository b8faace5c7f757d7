//! What can be wrong with a sealed archive: every failure has a name.

use super::Fingerprint;

/// Why a sealed archive can't be opened, or not from some point on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The file doesn't start like a sealed archive.
    #[error("this is not a sealed archive")]
    NotSealed,
    /// The start of the file shows that a text-mode transfer changed line ends.
    #[error(
        "the file was damaged by a transfer in text mode, which changed its line ends; copy it again in binary mode"
    )]
    TextMode,
    /// A newer format.
    #[error(
        "the archive is sealed in format version {version}, and this Coffer reads version 1; use a newer Coffer"
    )]
    UnsupportedVersion {
        /// The version found.
        version: u16,
    },
    /// The header breaks the format's grammar.
    #[error("the header of the sealed archive is malformed: {what}")]
    HeaderMalformed {
        /// What is wrong with it.
        what: &'static str,
    },
    /// Neither this password nor this key was made for it.
    #[error("this archive was not sealed for what you gave: it needs another kind of key")]
    NotARecipient,
    /// The password is another one.
    #[error("the password is wrong; nothing was changed, try again")]
    WrongPassword,
    /// A header asks for more key derivation than the limit allows.
    #[error(
        "the header asks for {memory_kib} KiB of memory and {passes} passes to check a password, which is more than allowed; the file may be made to exhaust this machine"
    )]
    CostTooHigh {
        /// Memory asked for, in KiB.
        memory_kib: u32,
        /// Passes asked for.
        passes: u32,
        /// Lanes asked for.
        lanes: u32,
    },
    /// The key is right, but the header was changed since it was written.
    #[error("the header is damaged: it was changed after the archive was sealed")]
    HeaderDamaged,
    /// The payload doesn't belong to this key.
    #[error(
        "the payload does not belong to this header: the file was put together from parts, or is damaged at its start"
    )]
    CommitmentMismatch,
    /// A chunk doesn't authenticate.
    #[error(
        "the content is damaged: chunk {chunk} (bytes {offset} and following of the file) does not authenticate"
    )]
    ChunkDamaged {
        /// Number of the chunk, from 0.
        chunk: u64,
        /// Its place in the file.
        offset: u64,
    },
    /// The file has no footer: it is cut off, or something was appended.
    #[error(
        "the file is cut short or something was added at its end: after {length} bytes there is no footer"
    )]
    CutShort {
        /// Bytes of the file.
        length: u64,
    },
    /// The footer contradicts itself or the file.
    #[error("the footer of the sealed archive is malformed: {what}")]
    FooterMalformed {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The parts that footer and header name don't add up to the file's length.
    #[error(
        "the file has {found} bytes where its header and footer give {expected}; it is cut short, or something was added"
    )]
    LengthMismatch {
        /// Bytes that header and footer give.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// The scrub table isn't the one that the footer names.
    #[error("the scrub table is damaged")]
    ScrubTableDamaged,
    /// The sender block holds no key that could have signed.
    #[error(
        "the sender signature is malformed: {what}; nobody can say who sealed this archive, do not rely on it; salvage reads it all the same"
    )]
    SenderMalformed {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The signature is not this sender's over this payload and table.
    #[error(
        "the sender signature is wrong: sender {sender} did not sign these bytes, they were changed or damaged since; do not rely on them; salvage reads them all the same"
    )]
    SenderSignatureWrong {
        /// Who is named as the sender.
        sender: Fingerprint,
    },
    /// Stored content differs from the scrub table that the sender signed.
    #[error(
        "the content is not what its sender signed: block {block} (from byte {offset} of the file on) was damaged, or changed by somebody who can open this archive"
    )]
    NotWhatWasSigned {
        /// Number of the block, from 0.
        block: u64,
        /// Its place in the file.
        offset: u64,
    },
    /// More content, or more ways in, than the format holds.
    #[error("the content is larger than a sealed archive can hold, or is to have more recipients")]
    TooLarge,
    /// The caller gave other bytes than were asked for.
    #[error(
        "a reader was given {given} bytes where it asked for {wanted}; this is a defect of the program, please report it"
    )]
    Misfed {
        /// Bytes asked for.
        wanted: u64,
        /// Bytes given.
        given: u64,
    },
    /// A range outside of the content was asked for.
    #[error("the range {offset}+{len} lies outside of the content of {size} bytes")]
    OutOfRange {
        /// Its start.
        offset: u64,
        /// Its length.
        len: u64,
        /// The content's size.
        size: u64,
    },
    /// A key's text form can't be read.
    #[error("this is not a Coffer key: {what}")]
    KeyMalformed {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The cryptography refused what it was given.
    #[error("the {what} failed; nothing was written")]
    Crypto {
        /// Which operation.
        what: &'static str,
    },
}

impl SealError {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotSealed => "not_sealed",
            Self::TextMode => "text_mode",
            Self::UnsupportedVersion { .. } => "unsupported_version",
            Self::HeaderMalformed { .. } => "header_malformed",
            Self::NotARecipient => "not_a_recipient",
            Self::WrongPassword => "wrong_password",
            Self::CostTooHigh { .. } => "cost_too_high",
            Self::HeaderDamaged => "header_damaged",
            Self::CommitmentMismatch => "commitment_mismatch",
            Self::ChunkDamaged { .. } => "chunk_damaged",
            Self::CutShort { .. } => "cut_short",
            Self::FooterMalformed { .. } => "footer_malformed",
            Self::LengthMismatch { .. } => "length_mismatch",
            Self::ScrubTableDamaged => "scrub_table_damaged",
            Self::SenderMalformed { .. } => "sender_malformed",
            Self::SenderSignatureWrong { .. } => "sender_signature_wrong",
            Self::NotWhatWasSigned { .. } => "not_what_was_signed",
            Self::TooLarge => "too_large",
            Self::Misfed { .. } => "misfed",
            Self::OutOfRange { .. } => "out_of_range",
            Self::KeyMalformed { .. } => "key_malformed",
            Self::Crypto { .. } => "crypto",
        }
    }
}
