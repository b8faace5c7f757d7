//! What a store can say of a sealed archive without any key: that it is whole, and how it is locked.

use coffer_core::{
    ByteRange, Digest,
    digest::Hasher,
    seal::{Lock, PayloadBlocks, ScrubChecker, SealError, Sealed, Sender},
};

use crate::{
    progress::{Phase, Progress},
    read::{Look, ReadError, look},
    read_at::ReadAt,
};

/// Bytes that are read at once.
const SLAB: u64 = 4 << 20;

/// What was found in a whole sealed archive.
#[derive(Debug)]
pub struct Checked {
    /// Bytes of the file.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// The ways in.
    pub locks: Vec<Lock>,
    /// Who signed it; the signature fits the scrub table, and the table fits the content.
    pub sender: Option<Sender>,
}

/// Why a file is not taken for a whole sealed archive.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It is a ZIP: a plain archive, or anything else of that kind.
    #[error("this is a ZIP that is not sealed")]
    Plain,
    /// It is sealed, for nobody.
    #[error(
        "this is a sealed archive that nobody can open: its header names neither password nor key"
    )]
    NoWayIn,
    /// Its content is not what its scrub table says.
    #[error(
        "{count} blocks of 1 MiB are not what the archive's own table says, the first at byte {first} of the file"
    )]
    Damaged {
        /// How many.
        count: usize,
        /// Where the first one lies.
        first: u64,
    },
    /// The seal, or reading it.
    #[error("{0}")]
    Read(#[from] ReadError),
}

impl CheckError {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Plain => "not_sealed",
            Self::NoWayIn => "no_way_in",
            Self::Damaged { .. } => "damaged",
            Self::Read(ReadError::Unknown) => "not_sealed",
            Self::Read(ReadError::Seal(error)) => error.code(),
            Self::Read(_) => "store_failed",
        }
    }

    /// Whether the file itself is to blame, and not the disk that it lies on.
    #[must_use]
    pub const fn blames_the_file(&self) -> bool {
        !matches!(self, Self::Read(ReadError::Io(_) | ReadError::Cancelled))
    }
}

impl From<SealError> for CheckError {
    fn from(error: SealError) -> Self {
        Self::Read(error.into())
    }
}

/// Reads a whole file once, from start to end: header, footer and lengths fit each other, the scrub table is the one that
/// the footer names, every block is the one that the table names, and a signature is its sender's.
///
/// # Errors
/// [`CheckError`].
pub fn check(source: &dyn ReadAt, progress: &Progress) -> Result<Checked, CheckError> {
    let Look::Sealed(sealed) = look(source)? else {
        return Err(CheckError::Plain);
    };
    let locks = sealed.locks();
    if locks.is_empty() {
        return Err(CheckError::NoWayIn);
    }
    let read = |range: ByteRange| -> Result<Vec<u8>, CheckError> {
        let mut buffer = vec![0; usize::try_from(range.len).unwrap_or(0)];
        source
            .read_exact_at(range.offset, &mut buffer)
            .map_err(ReadError::from)?;
        Ok(buffer)
    };
    let table = read(sealed.scrub_range())?;
    let blocks = PayloadBlocks::new(&sealed, &table)?;
    let mut checker = ScrubChecker::new(&table, sealed.footer().scrub_root)?;
    let sender = match sealed.sender_range() {
        Some(block) => Some(sealed.sender(&read(sealed.prefix_range())?, &read(block)?)?),
        None => None,
    };
    let size = source.size();
    let mut hasher = Hasher::new();
    progress.begin(Phase::Verifying, size);
    let mut slab = vec![0; usize::try_from(SLAB.min(size)).unwrap_or(0)];
    let mut offset = 0;
    while offset < size {
        if progress.cancelled() {
            return Err(ReadError::Cancelled.into());
        }
        let len = usize::try_from(SLAB.min(size - offset)).unwrap_or(0);
        let bytes = slab.get_mut(..len).unwrap_or_default();
        source
            .read_exact_at(offset, bytes)
            .map_err(ReadError::from)?;
        hasher.update(bytes);
        checker.update(payload_part(&sealed, offset, bytes));
        progress.add_bytes(bytes.len() as u64);
        offset += bytes.len() as u64;
    }
    let damaged = checker.finish();
    if let Some(first) = damaged.first() {
        let first = usize::try_from(*first)
            .ok()
            .and_then(|number| blocks.range(number));
        return Err(CheckError::Damaged {
            count: damaged.len(),
            first: first.map_or(0, |range| range.offset),
        });
    }
    Ok(Checked {
        size,
        sha256: hasher.finish(),
        locks,
        sender,
    })
}

/// The bytes among these, which lie at `offset` in the file, that belong to the payload region.
fn payload_part<'a>(sealed: &Sealed, offset: u64, bytes: &'a [u8]) -> &'a [u8] {
    let payload = sealed.payload_range();
    let place = |at: u64| {
        usize::try_from(at.saturating_sub(offset)).map_or(bytes.len(), |at| at.min(bytes.len()))
    };
    bytes
        .get(place(payload.offset)..place(payload.end()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use coffer_core::seal::{Access, Cost, FileKey, Password, Sealer, SenderKey, seal_header};
    use getrandom::SysRng;
    use rand_core::UnwrapErr;

    const CHEAP: Cost = Cost {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
    };

    fn sealed(plain: &[u8], passwords: &[&str], sender: Option<&SenderKey>) -> Vec<u8> {
        let mut rng = UnwrapErr(SysRng);
        let passwords: Vec<Password> = passwords.iter().map(|text| Password::new(text)).collect();
        let access: Vec<Access<'_>> = passwords
            .iter()
            .map(|password| Access::Password {
                password,
                cost: CHEAP,
            })
            .collect();
        let key = FileKey::new([7; 32]);
        let header = seal_header(&key, &access, &mut rng).unwrap();
        let mut out = Vec::new();
        let mut sealer = Sealer::new(&key, &header, &mut rng, &mut out).unwrap();
        sealer.push(plain, &mut out).unwrap();
        match sender {
            Some(sender) => sealer.finish_signed(sender, &mut out).unwrap(),
            None => sealer.finish(&mut out).unwrap(),
        }
        out
    }

    #[derive(Debug)]
    struct Stored(Vec<u8>);

    impl ReadAt for Stored {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
            let start = usize::try_from(offset).unwrap();
            buffer.copy_from_slice(&self.0[start..start + buffer.len()]);
            Ok(())
        }
    }

    fn found(bytes: &[u8]) -> Result<Checked, (&'static str, bool)> {
        check(&Stored(bytes.to_vec()), &Progress::default())
            .map_err(|error| (error.code(), error.blames_the_file()))
    }

    #[test]
    fn a_whole_archive_passes_and_is_named_by_its_digest() {
        let sender = SenderKey::generate(&mut UnwrapErr(SysRng));
        for len in [0, 1, 5 << 20] {
            let bytes = sealed(&vec![3; len], &["p"], Some(&sender));
            let checked = found(&bytes).unwrap();
            assert_eq!(checked.sha256, Digest::of(&bytes));
            assert_eq!(checked.size, bytes.len() as u64);
            assert_eq!(checked.locks, [Lock::Password]);
            assert_eq!(checked.sender, Some(sender.sender()));
        }
        assert_eq!(found(&sealed(b"x", &["p"], None)).unwrap().sender, None);
    }

    #[test]
    fn whatever_is_wrong_with_it_has_a_name() {
        let whole = sealed(&vec![3; 3 << 20], &["p"], None);
        assert_eq!(
            found(b"PK\x03\x04 and so on").err(),
            Some(("not_sealed", true))
        );
        assert_eq!(found(b"something else").err(), Some(("not_sealed", true)));
        assert_eq!(found(b"").err(), Some(("empty", true)));
        assert_eq!(
            found(&sealed(b"x", &[], None)).err(),
            Some(("no_way_in", true))
        );
        assert_eq!(
            found(&whole[..whole.len() - 1]).err(),
            Some(("cut_short", true))
        );
        let mut longer = whole.clone();
        longer.insert(5000, 0);
        assert_eq!(found(&longer).err(), Some(("length_mismatch", true)));
        // Every part without the header's text, whose MAC only a key can check.
        let table = whole.len() - 72 - 4 * 32;
        for at in [4096, 5000, table - 1, table, table + 100] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(found(&changed).is_err(), "byte {at}");
        }
        let mut rotten = whole.clone();
        rotten[4096 + (1 << 20) + 5] ^= 0x80;
        let error = check(&Stored(rotten), &Progress::default()).unwrap_err();
        assert!(
            matches!(error, CheckError::Damaged { count: 1, first } if first == 4096 + (1 << 20)),
            "{error:?}"
        );
    }
}
