//! Files that end too early or too late, and faults of scrub table and footer.

use super::{
    super::parts::{CHUNK, Parts, SEALED_CHUNK, UNIT},
    Case, Draft, Make,
};

/// Content of two full chunks and a short one.
const THREE_CHUNKS: usize = 2 * CHUNK + 1000;
/// Where the payload ends in an archive of that content.
const PAYLOAD_END: usize = UNIT + 56 + 2 * SEALED_CHUNK + 1016;

/// An archive of three chunks, cut off; `released` full chunks are there.
fn cut(make: &mut Make, len: usize, released: usize) -> Draft {
    Draft::of(&make.archive(THREE_CHUNKS))
        .wrong_end("cut_short", released)
        .edited(|file| {
            assert!(len < file.len());
            file.truncate(len);
        })
}

/// An archive of three chunks with another footer.
fn footer(make: &mut Make, code: &'static str, change: impl FnOnce(&mut Parts)) -> Draft {
    Draft::of(&make.changed(THREE_CHUNKS, change)).wrong_end(code, 2)
}

pub(super) const CASES: &[Case] = &[
    Case::new("cut_in_magic", "cut off after 4 bytes", |make| {
        cut(make, 4, 0)
    }),
    Case::new("cut_in_fixed_part", "cut off after 15 bytes", |make| {
        cut(make, 15, 0)
    }),
    Case::new("cut_after_fixed_part", "cut off after 16 bytes", |make| {
        cut(make, 16, 0)
    }),
    Case::new(
        "cut_in_header_text",
        "cut off within the header's text",
        |make| cut(make, 100, 0),
    ),
    Case::new(
        "cut_in_padding",
        "cut off within the header's padding",
        |make| cut(make, 4000, 0),
    ),
    Case::new(
        "cut_in_longer_header",
        "cut off within the second unit of a header of three",
        |make| {
            Draft::of(&make.changed(10, |parts| parts.header.units = Some(3)))
                .wrong_end("cut_short", 0)
                .edited(|file| file.truncate(UNIT + 1))
        },
    ),
    Case::new("cut_after_header", "cut off after the header", |make| {
        cut(make, UNIT, 0)
    }),
    Case::new("cut_in_salt", "cut off within the salt", |make| {
        cut(make, UNIT + 10, 0)
    }),
    Case::new(
        "cut_in_commitment",
        "cut off within the commitment",
        |make| cut(make, UNIT + 55, 0),
    ),
    Case::new(
        "cut_before_chunks",
        "cut off before the first chunk",
        |make| cut(make, UNIT + 56, 0),
    ),
    Case::new(
        "cut_in_first_chunk",
        "cut off within the first chunk",
        |make| cut(make, UNIT + 56 + 5000, 0),
    ),
    Case::new(
        "cut_in_tag",
        "cut off within the first chunk's tag",
        |make| cut(make, UNIT + 56 + SEALED_CHUNK - 1, 0),
    ),
    Case::new(
        "cut_between_chunks",
        "cut off between the first and the second chunk",
        |make| cut(make, UNIT + 56 + SEALED_CHUNK, 1),
    ),
    Case::new(
        "cut_in_second_chunk",
        "cut off within the second chunk",
        |make| cut(make, UNIT + 56 + SEALED_CHUNK + 1, 1),
    ),
    Case::new(
        "cut_before_last_chunk",
        "cut off before the short last chunk",
        |make| cut(make, UNIT + 56 + 2 * SEALED_CHUNK, 2),
    ),
    Case::new(
        "cut_in_last_chunk",
        "cut off within the short last chunk",
        |make| cut(make, PAYLOAD_END - 1, 2),
    ),
    Case::new(
        "cut_before_scrub_table",
        "cut off after the payload",
        |make| cut(make, PAYLOAD_END, 2),
    ),
    Case::new(
        "cut_in_scrub_table",
        "cut off within the scrub table",
        |make| cut(make, PAYLOAD_END + 20, 2),
    ),
    Case::new("cut_before_footer", "cut off before the footer", |make| {
        cut(make, PAYLOAD_END + 32, 2)
    }),
    Case::new("cut_in_footer", "cut off within the footer", |make| {
        cut(make, PAYLOAD_END + 32 + 40, 2)
    }),
    Case::new("cut_last_byte", "the last byte is missing", |make| {
        cut(make, PAYLOAD_END + 32 + 71, 2)
    }),
    Case::new(
        "cut_by_many_bytes_with_footer",
        "bytes in the middle of the second chunk are missing, the footer is there",
        |make| {
            Draft::of(&make.archive(THREE_CHUNKS))
                .wrong_end("length_mismatch", 1)
                .edited(|file| {
                    let at = UNIT + 56 + SEALED_CHUNK + 100;
                    file.drain(at..at + 1000);
                })
        },
    ),
    Case::new(
        "cut_chunk_with_footer",
        "the first chunk is missing, and the footer was not made to fit",
        |make| {
            Draft::of(&make.archive(THREE_CHUNKS))
                .wrong_end("length_mismatch", 0)
                .edited(|file| {
                    file.drain(UNIT + 56..UNIT + 56 + SEALED_CHUNK);
                })
        },
    ),
    Case::new("trailing_byte", "a zero byte after the footer", |make| {
        Draft::of(&make.archive(THREE_CHUNKS))
            .wrong_end("cut_short", 2)
            .edited(|file| file.push(0))
    }),
    Case::new(
        "trailing_line_feed",
        "a line feed after the footer",
        |make| {
            Draft::of(&make.archive(THREE_CHUNKS))
                .wrong_end("cut_short", 2)
                .edited(|file| file.push(b'\n'))
        },
    ),
    Case::new("trailing_zeros", "4096 zeros after the footer", |make| {
        Draft::of(&make.archive(THREE_CHUNKS))
            .wrong_end("cut_short", 2)
            .edited(|file| file.resize(file.len() + 4096, 0))
    }),
    Case::new(
        "trailing_much",
        "40000 zeros after the footer: more than the end of a file can have",
        |make| {
            Draft::of(&make.archive(THREE_CHUNKS))
                .wrong_end("cut_short", 2)
                .edited(|file| file.resize(file.len() + 40_000, 0))
        },
    ),
    Case::new("trailing_footer", "the footer twice", |make| {
        Draft::of(&make.archive(THREE_CHUNKS))
            .wrong_end("length_mismatch", 2)
            .edited(|file| file.extend_from_within(file.len() - 72..))
    }),
    Case::new("trailing_archive", "the whole file twice", |make| {
        Draft::of(&make.archive(10))
            .wrong_end("length_mismatch", 0)
            .edited(|file| file.extend_from_within(..))
    }),
    Case::new(
        "inserted_byte",
        "a byte too many within the second chunk",
        |make| {
            Draft::of(&make.archive(THREE_CHUNKS))
                .wrong_end("length_mismatch", 1)
                .edited(|file| file.insert(UNIT + 56 + SEALED_CHUNK + 100, 7))
        },
    ),
    Case::new(
        "inserted_before_footer",
        "16 bytes between scrub table and footer",
        |make| {
            Draft::of(&make.archive(THREE_CHUNKS))
                .wrong_end("length_mismatch", 2)
                .edited(|file| {
                    let at = file.len() - 72;
                    file.splice(at..at, [0; 16]);
                })
        },
    ),
    Case::new("footer_version_0", "version 0 in the footer", |make| {
        footer(make, "footer_malformed", |parts| parts.footer.version = 0)
    }),
    Case::new(
        "footer_version_2",
        "version 2 in the footer of a header of version 1",
        |make| footer(make, "footer_malformed", |parts| parts.footer.version = 2),
    ),
    Case::new(
        "footer_reserved",
        "bytes 2 and 3 of the footer are not zero",
        |make| {
            footer(make, "footer_malformed", |parts| {
                parts.footer.reserved = [0, 1]
            })
        },
    ),
    Case::new(
        "footer_more_reserved",
        "bytes 24 to 31 of the footer are not zero",
        |make| {
            footer(make, "footer_malformed", |parts| {
                parts.footer.more_reserved[0] = 1
            })
        },
    ),
    Case::new(
        "footer_magic_changed",
        "one bit of the footer's magic is wrong",
        |make| footer(make, "cut_short", |parts| parts.footer.magic[7] ^= 1),
    ),
    Case::new(
        "footer_magic_of_header",
        "the header's magic at the end",
        |make| {
            footer(make, "cut_short", |parts| {
                parts.footer.magic = parts.header.magic
            })
        },
    ),
    Case::new(
        "footer_sender_len_1",
        "a sender region of one byte",
        |make| footer(make, "footer_malformed", |parts| parts.sender = vec![0]),
    ),
    Case::new(
        "footer_sender_len_95",
        "a sender region of 95 bytes",
        |make| footer(make, "footer_malformed", |parts| parts.sender = vec![0; 95]),
    ),
    Case::new("footer_sender_len_192", "two sender regions", |make| {
        footer(make, "footer_malformed", |parts| {
            parts.sender = vec![0; 192]
        })
    }),
    Case::new(
        "footer_sender_len_max",
        "a sender region of 4 GiB less one",
        |make| {
            footer(make, "footer_malformed", |parts| {
                parts.footer.sender_len = Some(u32::MAX)
            })
        },
    ),
    Case::new(
        "footer_payload_len_0",
        "a payload length of 0, beside a table of one digest",
        |make| {
            footer(make, "footer_malformed", |parts| {
                parts.footer.payload_len = Some(0)
            })
        },
    ),
    Case::new(
        "footer_payload_len_less",
        "a payload length that is one too small",
        |make| {
            footer(make, "length_mismatch", |parts| {
                parts.footer.payload_len = Some(parts.payload().len() as u64 - 1);
            })
        },
    ),
    Case::new(
        "footer_payload_len_more",
        "a payload length that is one too large",
        |make| {
            footer(make, "length_mismatch", |parts| {
                parts.footer.payload_len = Some(parts.payload().len() as u64 + 1);
            })
        },
    ),
    Case::new(
        "footer_payload_len_max",
        "the largest payload length there is",
        |make| {
            footer(make, "footer_malformed", |parts| {
                parts.footer.payload_len = Some(u64::MAX)
            })
        },
    ),
    Case::new(
        "footer_lengths_wrap",
        "lengths that fit each other and whose sum is beyond 64 bits",
        |make| {
            footer(make, "length_mismatch", |parts| {
                let payload = u64::MAX - 5000;
                parts.footer.payload_len = Some(payload);
                parts.footer.scrub_len = Some(payload.div_ceil(1 << 20) * 32);
            })
        },
    ),
    Case::new("footer_scrub_len_0", "no scrub table", |make| {
        footer(make, "footer_malformed", |parts| {
            parts.table = Some(Vec::new())
        })
    }),
    Case::new("footer_scrub_len_31", "a scrub table of 31 bytes", |make| {
        footer(make, "footer_malformed", |parts| {
            parts.table = Some(vec![0; 31])
        })
    }),
    Case::new(
        "footer_scrub_len_64",
        "a scrub table of two digests for one block",
        |make| {
            footer(make, "footer_malformed", |parts| {
                parts.table = Some(vec![0; 64])
            })
        },
    ),
    Case::new(
        "footer_of_another_archive",
        "the footer of an archive of the same length",
        |make| {
            let other = make.archive(THREE_CHUNKS).table();
            let parts = make.changed(THREE_CHUNKS, |parts| {
                parts.footer.root = Some(coffer_core::Digest::of(&other).0);
            });
            Draft::of(&parts).last_check("scrub_table_damaged", "scrub_table_damaged")
        },
    ),
    Case::new(
        "footer_root_changed",
        "one bit of the scrub table's digest is wrong",
        |make| {
            let parts = make.changed(THREE_CHUNKS, |parts| {
                let mut root = coffer_core::Digest::of(&parts.table()).0;
                root[0] ^= 1;
                parts.footer.root = Some(root);
            });
            Draft::of(&parts).last_check("scrub_table_damaged", "scrub_table_damaged")
        },
    ),
    Case::new(
        "scrub_table_changed",
        "one bit of the scrub table is wrong",
        |make| {
            Draft::of(&make.archive(THREE_CHUNKS))
                .edited(|file| file[PAYLOAD_END + 31] ^= 1)
                .last_check("scrub_table_damaged", "scrub_table_damaged")
        },
    ),
    Case::new(
        "scrub_table_forged",
        "a wrong scrub table whose digest the footer has",
        |make| {
            let parts = make.changed(THREE_CHUNKS, |parts| parts.table = Some(vec![7; 32]));
            Draft::of(&parts).last_check("scrub_table_damaged", "damaged 0")
        },
    ),
    Case::new(
        "scrub_table_forged_second_block",
        "a scrub table of two digests, the second of which is wrong",
        |make| {
            let parts = make.changed(65 * CHUNK, |parts| {
                let mut table = parts.table();
                table[32] ^= 1;
                parts.table = Some(table);
            });
            Draft::of(&parts).last_check("scrub_table_damaged", "damaged 1")
        },
    ),
    Case::new(
        "scrub_table_swapped",
        "a scrub table of two digests in the wrong order",
        |make| {
            let parts = make.changed(65 * CHUNK, |parts| {
                let mut table = parts.table();
                table.rotate_left(32);
                parts.table = Some(table);
            });
            Draft::of(&parts).last_check("scrub_table_damaged", "damaged 0 1")
        },
    ),
];
