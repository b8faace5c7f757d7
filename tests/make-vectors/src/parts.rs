//! A sealed archive from explicit fields: each can be given a wrong value, and what follows from the others is worked
//! out unless it is given too.
//!
//! This encoder follows `docs/format.md` and shares no code with core's writer, except that stanzas, whose form is
//! core's business, can be had from it.

use aes_gcm::{Aes256Gcm, KeyInit, Nonce, aead::AeadInOut};
use base64ct::{Base64Unpadded, Encoding};
use coffer_core::Digest;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Sha256, Sha512};

/// Bytes of content in a full chunk.
pub const CHUNK: usize = 16 << 10;
/// Bytes of a full chunk with its tag.
pub const SEALED_CHUNK: usize = CHUNK + 16;
/// Bytes of the unit of a header's length.
pub const UNIT: usize = 4096;
const BLOCK: usize = 1 << 20;

/// HKDF-Expand with SHA-512.
#[must_use]
pub fn expand<const N: usize>(key: &[u8; 32], info: &[&[u8]]) -> [u8; N] {
    let mut prk = [0; 64];
    prk[..32].copy_from_slice(key);
    let mut out = [0; N];
    Hkdf::<Sha512>::from_prk(&prk)
        .unwrap()
        .expand_multi_info(info, &mut out)
        .unwrap();
    out
}

/// Base64 as the format has it.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    Base64Unpadded::encode_string(bytes)
}

/// The cipher of one payload.
pub struct Cipher {
    aes: Aes256Gcm,
    base_nonce: [u8; 12],
    /// What the payload says about its key.
    pub commitment: [u8; 32],
}

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cipher(…)")
    }
}

impl Cipher {
    /// The cipher that the format prescribes.
    #[must_use]
    pub fn new(file_key: &[u8; 32], salt: &[u8; 24]) -> Self {
        Self::with_context(file_key, salt, b"coffer/v1")
    }

    /// A cipher with another context.
    #[must_use]
    pub fn with_context(file_key: &[u8; 32], salt: &[u8; 24], context: &[u8]) -> Self {
        let payload_key = expand::<32>(file_key, &[b"coffer/v1/payload"]);
        let info: [&[u8]; 5] = [
            b"c2sp.org/chunked-encryption@v1+",
            b"AEAD_AES_256_GCM",
            &[0],
            salt,
            context,
        ];
        let keys = expand::<76>(&payload_key, &info);
        Self {
            aes: Aes256Gcm::new_from_slice(&keys[..32]).unwrap(),
            base_nonce: keys[32..44].try_into().unwrap(),
            commitment: keys[44..].try_into().unwrap(),
        }
    }

    /// Chunk `number` with this content.
    #[must_use]
    pub fn seal(&self, number: u64, plain: &[u8]) -> Vec<u8> {
        self.seal_with(number, plain, b"")
    }

    /// Chunk `number` with associated data, which the format does not have.
    #[must_use]
    pub fn seal_with(&self, number: u64, plain: &[u8], associated: &[u8]) -> Vec<u8> {
        let mut nonce = self.base_nonce;
        for (byte, number) in nonce[4..].iter_mut().zip(number.to_be_bytes()) {
            *byte ^= number;
        }
        let mut chunk = plain.to_vec();
        let tag = self
            .aes
            .encrypt_inout_detached(&Nonce::from(nonce), associated, chunk.as_mut_slice().into())
            .unwrap();
        chunk.extend_from_slice(&tag);
        chunk
    }

    /// The one content of `len` bytes whose ciphertext is zeros. Archives of many chunks then take up next to nothing once
    /// they are compressed, and their content still looks like noise.
    #[must_use]
    pub fn content(&self, len: usize) -> Vec<u8> {
        let mut content = Vec::with_capacity(len);
        for (number, chunk) in vec![0; len].chunks(CHUNK).enumerate() {
            let key_stream = self.seal(number as u64, chunk);
            content.extend_from_slice(&key_stream[..chunk.len()]);
        }
        content
    }

    /// The chunks of some content.
    #[must_use]
    pub fn chunks(&self, content: &[u8]) -> Vec<Vec<u8>> {
        let mut chunks: Vec<_> = content.chunks(CHUNK).map(<[u8]>::to_vec).collect();
        if content.len().is_multiple_of(CHUNK) {
            chunks.push(Vec::new());
        }
        (0..)
            .zip(chunks)
            .map(|(number, chunk)| self.seal(number, &chunk))
            .collect()
    }
}

/// The header block's fields.
#[derive(Clone, Debug)]
pub struct HeaderParts {
    /// The first bytes.
    pub magic: [u8; 8],
    /// The version.
    pub version: u16,
    /// The length in units; as many as the text needs if not given.
    pub units: Option<u16>,
    /// The length of the text; that of the text if not given.
    pub text_len: Option<u32>,
    /// The text up to `---`, stanza by stanza.
    pub stanzas: Vec<Vec<u8>>,
    /// What follows `---`; a blank, the MAC and a line feed if not given.
    pub mac: Option<Vec<u8>>,
    /// The key of the MAC.
    pub mac_key: [u8; 32],
    /// Bytes of the block that are really there; as many as `units` says if not given.
    pub len: Option<usize>,
}

impl HeaderParts {
    fn bytes(&self) -> Vec<u8> {
        let text: Vec<u8> = self.stanzas.concat();
        let mac_len = self.mac.as_ref().map_or(45, Vec::len);
        let text_len = text.len() + 3 + mac_len;
        let needed = (16 + text_len).div_ceil(UNIT);
        let units = self.units.unwrap_or(u16::try_from(needed).unwrap());
        let mut block = self.magic.to_vec();
        block.extend_from_slice(&self.version.to_be_bytes());
        block.extend_from_slice(&units.to_be_bytes());
        let named = self.text_len.unwrap_or(u32::try_from(text_len).unwrap());
        block.extend_from_slice(&named.to_be_bytes());
        block.extend_from_slice(&text);
        block.extend_from_slice(b"---");
        match &self.mac {
            Some(line) => block.extend_from_slice(line),
            None => {
                let mac = self.right_mac(&block);
                block.extend_from_slice(format!(" {}\n", base64(&mac)).as_bytes());
            }
        }
        let len = self.len.unwrap_or(usize::from(units) * UNIT);
        block.resize(len.max(block.len()), 0);
        block
    }

    fn right_mac(&self, covered: &[u8]) -> [u8; 32] {
        Hmac::<Sha256>::new_from_slice(&self.mac_key)
            .unwrap()
            .chain_update(covered)
            .finalize()
            .into_bytes()
            .into()
    }

    /// The MAC that this header must have.
    #[must_use]
    pub fn mac(&self) -> [u8; 32] {
        let mut block = Self {
            mac: None,
            ..self.clone()
        }
        .bytes();
        let end = 16 + self.stanzas.concat().len() + 3;
        block.truncate(end);
        self.right_mac(&block)
    }
}

/// The footer's fields; those that are not given follow from the other regions.
#[derive(Clone, Debug)]
pub struct FooterParts {
    /// The version.
    pub version: u16,
    /// Bytes 2 and 3.
    pub reserved: [u8; 2],
    /// The length of the sender region.
    pub sender_len: Option<u32>,
    /// The length of the payload region.
    pub payload_len: Option<u64>,
    /// The length of the scrub table.
    pub scrub_len: Option<u64>,
    /// Bytes 24 to 31.
    pub more_reserved: [u8; 8],
    /// SHA-256 of the scrub table.
    pub root: Option<[u8; 32]>,
    /// The last bytes.
    pub magic: [u8; 8],
}

/// A sealed archive's fields.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The file key.
    pub file_key: [u8; 32],
    /// The header.
    pub header: HeaderParts,
    /// The payload's salt.
    pub salt: [u8; 24],
    /// The payload's commitment.
    pub commitment: [u8; 32],
    /// The chunks.
    pub chunks: Vec<Vec<u8>>,
    /// The content that they were made from.
    pub content: Vec<u8>,
    /// The scrub table; that of the payload if not given.
    pub table: Option<Vec<u8>>,
    /// The sender region.
    pub sender: Vec<u8>,
    /// The footer.
    pub footer: FooterParts,
}

impl Parts {
    /// An archive without a fault and without any way in.
    #[must_use]
    pub fn new(file_key: [u8; 32], salt: [u8; 24], content: Vec<u8>) -> Self {
        let cipher = Cipher::new(&file_key, &salt);
        Self {
            file_key,
            header: HeaderParts {
                magic: *b"\x89CFR\r\n\x1a\n",
                version: 1,
                units: None,
                text_len: None,
                stanzas: Vec::new(),
                mac: None,
                mac_key: expand(&file_key, &[b"coffer/v1/header"]),
                len: None,
            },
            salt,
            commitment: cipher.commitment,
            chunks: cipher.chunks(&content),
            content,
            table: None,
            sender: Vec::new(),
            footer: FooterParts {
                version: 1,
                reserved: [0; 2],
                sender_len: None,
                payload_len: None,
                scrub_len: None,
                more_reserved: [0; 8],
                root: None,
                magic: *b"\x89CFE\r\n\x1a\n",
            },
        }
    }

    /// The cipher of its payload.
    #[must_use]
    pub fn cipher(&self) -> Cipher {
        Cipher::new(&self.file_key, &self.salt)
    }

    /// The payload region.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        [
            self.salt.as_slice(),
            &self.commitment,
            &self.chunks.concat(),
        ]
        .concat()
    }

    /// The scrub table.
    #[must_use]
    pub fn table(&self) -> Vec<u8> {
        self.table.clone().unwrap_or_else(|| {
            self.payload()
                .chunks(BLOCK)
                .flat_map(|block| Digest::of(block).0)
                .collect()
        })
    }

    /// The header block.
    #[must_use]
    pub fn header(&self) -> Vec<u8> {
        self.header.bytes()
    }

    /// What a sender signs.
    #[must_use]
    pub fn signed(&self) -> Vec<u8> {
        let payload = self.payload();
        let mut message = b"coffer/v1/sender\0".to_vec();
        message.extend_from_slice(&payload[..56]);
        message.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        message.extend_from_slice(&Digest::of(&self.table()).0);
        message
    }

    fn footer(&self) -> Vec<u8> {
        let table = self.table();
        let FooterParts {
            version,
            reserved,
            sender_len,
            payload_len,
            scrub_len,
            more_reserved,
            root,
            magic,
        } = &self.footer;
        let sender_len = sender_len.unwrap_or(u32::try_from(self.sender.len()).unwrap());
        let payload_len = payload_len.unwrap_or(self.payload().len() as u64);
        let scrub_len = scrub_len.unwrap_or(table.len() as u64);
        [
            version.to_be_bytes().as_slice(),
            reserved,
            &sender_len.to_be_bytes(),
            &payload_len.to_be_bytes(),
            &scrub_len.to_be_bytes(),
            more_reserved,
            &root.unwrap_or(Digest::of(&table).0),
            magic,
        ]
        .concat()
    }

    /// The file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        [
            self.header(),
            self.payload(),
            self.table(),
            self.sender.clone(),
            self.footer(),
        ]
        .concat()
    }
}
