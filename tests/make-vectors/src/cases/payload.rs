//! Faults of the payload, with a scrub table and footer that fit what is there, unless they are what is wrong.

use super::{
    super::parts::{CHUNK, Cipher, Parts, SEALED_CHUNK, UNIT},
    Case, Draft, Make,
};

/// Content of three full chunks and a short one.
const FOUR_CHUNKS: usize = 3 * CHUNK + 1000;

/// An archive of four chunks, changed by somebody who made table and footer fit.
fn four(make: &mut Make, change: impl FnOnce(&mut Parts)) -> Draft {
    Draft::of(&make.changed(FOUR_CHUNKS, change))
}

/// An archive of four chunks of which a byte has rotted.
fn rotten(make: &mut Make, at: usize) -> Draft {
    Draft::of(&make.archive(FOUR_CHUNKS)).edited(|file| file[UNIT + 56 + at] ^= 0x10)
}

pub(super) const CASES: &[Case] = &[
    Case::new(
        "payload_salt_changed",
        "one bit of the salt is wrong",
        |make| {
            Draft::of(&make.changed(10, |parts| parts.salt[0] ^= 1))
                .locked_out("commitment_mismatch")
        },
    ),
    Case::new(
        "payload_commitment_changed",
        "one bit of the commitment is wrong",
        |make| {
            Draft::of(&make.changed(10, |parts| parts.commitment[31] ^= 1))
                .locked_out("commitment_mismatch")
        },
    ),
    Case::new(
        "payload_commitment_rotten",
        "one bit of the commitment has rotted, which the scrub table knows",
        |make| {
            let mut draft = Draft::of(&make.archive(10))
                .locked_out("commitment_mismatch")
                .edited(|file| file[UNIT + 40] ^= 1);
            draft.scrub = "damaged 0".to_owned();
            draft
        },
    ),
    Case::new(
        "payload_of_another_archive",
        "the payload of an archive with another file key",
        |make| {
            let other = make.archive(FOUR_CHUNKS);
            four(make, |parts| {
                parts.salt = other.salt;
                parts.commitment = other.commitment;
                parts.chunks = other.chunks;
            })
            .locked_out("commitment_mismatch")
        },
    ),
    Case::new(
        "payload_of_another_context",
        "a payload of the same construction for another use",
        |make| {
            four(make, |parts| {
                let cipher = Cipher::with_context(&parts.file_key, &parts.salt, b"coffer/v2");
                parts.commitment = cipher.commitment;
                parts.chunks = cipher.chunks(&parts.content);
            })
            .locked_out("commitment_mismatch")
        },
    ),
    Case::new("payload_of_no_bytes", "no payload region", |make| {
        let parts = make.archive(0);
        // An empty table goes with it, so that the lengths agree with each other.
        Draft::of(&parts)
            .malformed("footer_malformed")
            .edited(|file| {
                file.drain(UNIT..file.len() - 72);
                let footer = file.len() - 72;
                file[footer + 8..footer + 24].fill(0);
            })
    }),
    Case::new(
        "payload_without_chunk",
        "salt and commitment, and no chunk after them",
        |make| {
            Draft::of(&make.changed(10, |parts| parts.chunks.clear())).malformed("footer_malformed")
        },
    ),
    Case::new(
        "payload_chunk_without_tag",
        "a chunk of 15 bytes, less than a tag has",
        |make| {
            Draft::of(&make.changed(0, |parts| parts.chunks[0].truncate(15)))
                .malformed("footer_malformed")
        },
    ),
    Case::new(
        "chunk_first_changed",
        "one bit of the first chunk is wrong, and the table was made to fit",
        |make| four(make, |parts| parts.chunks[0][0] ^= 1).damaged(0, "ok"),
    ),
    Case::new(
        "chunk_second_changed",
        "one bit of the second chunk is wrong, and the table was made to fit",
        |make| four(make, |parts| parts.chunks[1][CHUNK - 1] ^= 0x80).damaged(1, "ok"),
    ),
    Case::new(
        "chunk_last_changed",
        "one bit of the last chunk is wrong, and the table was made to fit",
        |make| four(make, |parts| parts.chunks[3][999] ^= 1).damaged(3, "ok"),
    ),
    Case::new(
        "chunk_tag_changed",
        "one bit of the third chunk's tag is wrong, and the table was made to fit",
        |make| four(make, |parts| parts.chunks[2][CHUNK + 15] ^= 1).damaged(2, "ok"),
    ),
    Case::new(
        "chunk_only_changed",
        "one bit of the only chunk is wrong",
        |make| Draft::of(&make.changed(10, |parts| parts.chunks[0][0] ^= 1)).damaged(0, "ok"),
    ),
    Case::new(
        "chunk_empty_changed",
        "one bit of the tag of an empty archive's only chunk is wrong",
        |make| Draft::of(&make.changed(0, |parts| parts.chunks[0][0] ^= 1)).damaged(0, "ok"),
    ),
    Case::new(
        "chunk_empty_last_changed",
        "the empty last chunk is wrong: with random access it is read together with the full one before it, which is not released",
        |make| {
            Draft::of(&make.changed(2 * CHUNK, |parts| parts.chunks[2][0] ^= 1))
                .damaged(1, "ok")
                .sequential("chunk_damaged", 2)
        },
    ),
    Case::new(
        "chunk_first_rotten",
        "a byte of the first chunk has rotted, which the scrub table knows",
        |make| rotten(make, 5).damaged(0, "damaged 0"),
    ),
    Case::new(
        "chunk_third_rotten",
        "a byte of the third chunk has rotted",
        |make| rotten(make, 2 * SEALED_CHUNK + 100).damaged(2, "damaged 0"),
    ),
    Case::new(
        "chunk_in_second_block_rotten",
        "a byte beyond the first MiB of the payload has rotted",
        |make| {
            Draft::of(&make.archive(65 * CHUNK))
                .edited(|file| file[UNIT + 56 + 64 * SEALED_CHUNK + 7] ^= 1)
                .damaged(64, "damaged 1")
        },
    ),
    Case::new(
        "chunk_across_blocks_rotten",
        "the two bytes around the first MiB of the payload have rotted",
        |make| {
            Draft::of(&make.archive(65 * CHUNK))
                .edited(|file| {
                    for byte in &mut file[UNIT + (1 << 20) - 1..=UNIT + (1 << 20)] {
                        *byte ^= 1;
                    }
                })
                .damaged(63, "damaged 0 1")
        },
    ),
    Case::new(
        "chunks_swapped",
        "the first two chunks changed places",
        |make| four(make, |parts| parts.chunks.swap(0, 1)).damaged(0, "ok"),
    ),
    Case::new(
        "chunks_swapped_later",
        "the second and third chunk changed places",
        |make| four(make, |parts| parts.chunks.swap(1, 2)).damaged(1, "ok"),
    ),
    Case::new(
        "chunks_reversed",
        "the full chunks in reverse order",
        |make| four(make, |parts| parts.chunks[..3].reverse()).damaged(0, "ok"),
    ),
    Case::new(
        "chunk_first_dropped",
        "the first chunk is missing",
        |make| {
            four(make, |parts| {
                parts.chunks.remove(0);
            })
            .damaged(0, "ok")
        },
    ),
    Case::new(
        "chunk_second_dropped",
        "the second chunk is missing",
        |make| {
            four(make, |parts| {
                parts.chunks.remove(1);
            })
            .damaged(1, "ok")
        },
    ),
    Case::new(
        "chunk_last_full_dropped",
        "the last full chunk is missing, and the short one follows the second",
        |make| {
            four(make, |parts| {
                parts.chunks.remove(2);
            })
            .damaged(2, "ok")
        },
    ),
    Case::new("chunk_doubled", "the second chunk stands twice", |make| {
        four(make, |parts| {
            let second = parts.chunks[1].clone();
            parts.chunks.insert(2, second);
        })
        .damaged(2, "ok")
    }),
    Case::new(
        "chunk_replaced_by_another",
        "the third chunk's place holds the first one again",
        |make| four(make, |parts| parts.chunks[2] = parts.chunks[0].clone()).damaged(2, "ok"),
    ),
    Case::new(
        "chunk_of_another_salt",
        "a chunk with the same number from a payload with the same file key and another salt",
        |make| {
            four(make, |parts| {
                let salt = parts.salt.map(|byte| byte ^ 0x55);
                let other = Cipher::new(&parts.file_key, &salt);
                parts.chunks[1] = other.seal(1, &parts.content[CHUNK..2 * CHUNK]);
            })
            .damaged(1, "ok")
        },
    ),
    Case::new(
        "chunk_of_another_archive",
        "a chunk with the same number from another archive",
        |make| {
            let other = make.archive(FOUR_CHUNKS);
            four(make, |parts| parts.chunks[1].clone_from(&other.chunks[1])).damaged(1, "ok")
        },
    ),
    Case::new(
        "chunk_last_dropped",
        "the short last chunk is missing: no payload ends after a full one",
        |make| {
            four(make, |parts| {
                parts.chunks.pop();
            })
            .wrong_end("footer_malformed", 3)
        },
    ),
    Case::new(
        "chunk_empty_last_dropped",
        "the empty last chunk is missing",
        |make| {
            Draft::of(&make.changed(2 * CHUNK, |parts| {
                parts.chunks.pop();
            }))
            .wrong_end("footer_malformed", 2)
        },
    ),
    Case::new(
        "chunk_last_replaced_by_empty",
        "an empty chunk with the next number instead of the short one: cut off by somebody without the key it can't be",
        |make| {
            four(make, |parts| {
                parts.chunks.pop();
                // What is really there: a tag that the key never made.
                parts.chunks.push(vec![0; 16]);
            })
            // With random access it is read together with the full chunk before it.
            .damaged(2, "ok")
            .sequential("chunk_damaged", 3)
        },
    ),
    Case::new(
        "chunk_last_shortened",
        "the last chunk lost bytes before its tag, and the footer was made to fit",
        |make| {
            four(make, |parts| {
                parts.chunks[3].drain(500..510);
            })
            .damaged(3, "ok")
        },
    ),
    Case::new(
        "chunk_last_lengthened",
        "an empty chunk with the next number stands after the short one, and the footer was made to fit",
        |make| {
            four(make, |parts| {
                let more = parts.cipher().seal(4, b"");
                parts.chunks.push(more);
            })
            .damaged(3, "ok")
        },
    ),
    Case::new(
        "chunk_short_in_the_middle",
        "two archives' worth of chunks: after a short chunk others follow",
        |make| {
            four(make, |parts| {
                let cipher = parts.cipher();
                parts.chunks[1] = cipher.seal(1, &parts.content[CHUNK..2 * CHUNK - 1]);
            })
            .damaged(1, "ok")
        },
    ),
    Case::new(
        "chunks_of_nonces_from_one",
        "a writer that counts chunks from 1",
        |make| {
            four(make, |parts| {
                let cipher = parts.cipher();
                parts.chunks = (1..)
                    .zip(parts.content.chunks(CHUNK))
                    .map(|(number, chunk)| cipher.seal(number, chunk))
                    .collect();
            })
            .damaged(0, "ok")
        },
    ),
    Case::new(
        "chunks_of_little_endian_nonces",
        "a writer that puts a chunk's number into the nonce with its bytes reversed",
        |make| {
            four(make, |parts| {
                let cipher = parts.cipher();
                parts.chunks = (0_u64..)
                    .zip(parts.content.chunks(CHUNK))
                    .map(|(number, chunk)| cipher.seal(number.swap_bytes(), chunk))
                    .collect();
            })
            .damaged(1, "ok")
        },
    ),
    Case::new(
        "chunks_with_associated_data",
        "a writer that authenticates a chunk's number as associated data too",
        |make| {
            four(make, |parts| {
                let cipher = parts.cipher();
                parts.chunks = (0_u64..)
                    .zip(parts.content.chunks(CHUNK))
                    .map(|(number, chunk)| cipher.seal_with(number, chunk, &number.to_be_bytes()))
                    .collect();
            })
            .damaged(0, "ok")
        },
    ),
];
