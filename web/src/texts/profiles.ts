/** Words about encryption profiles and their recovery kits. */
import type { KeyType } from "@coffer/archive";
import type { ProfileKey } from "../lib/api";
import { count } from "../lib/format";
import { plain } from "../lib/visible";
import type { ProblemText } from "./common";

export const profileTexts = {
  profiles: {
    title: "Encryption profiles",
    lead: "A profile names the keys that backups are sealed to. This server has their public halves only: it can seal, and never open.",
    add: "New profile",
    none: "No profile yet",
    noneLead: "Make one with a recovery kit here, or choose a password when you take a backup.",
    ready: "Ready",
    notReady: "Not ready",
    notReadyLead: "Nobody has shown yet that a kit of this profile can be found again, so nothing is sealed to it.",
    states: { active: "In use", pending: "Waiting for their kit to be checked", retired: "Of the past" },
    made: "Made",
    retired: "retired",
    opens: (archives: number) => `opens ${count(archives, "stored archive", "stored archives")}`,
    kinds: ({ locked, kit_verified_at }: Pick<ProfileKey, "locked" | "kit_verified_at">) =>
      locked !== null ? "opened by a password" : kit_verified_at !== null ? "kit checked" : "kit not checked",
    rotate: "Change the key…",
    addKey: "Add a key…",
    others: {
      button: "Add somebody’s public key…",
      title: (name: string) => `Somebody’s public key for ${plain(name)}`,
      lead: "Backups are sealed to all keys of a profile, and each of their owners opens them alone. The secret half stays where it is.",
      key: "Public key",
      hint: "One line that begins with coffer1. Its owner sees it in their recovery kit, or where they made the key. Compare its fingerprint with them.",
      submit: "Add the public key",
      added: "The public key is added.",
      next: "Nothing is sealed to it before its owner has opened their key file or kit here, by “Check the kit” beside the key: then it is known that somebody can open what is sealed to it.",
    },
    retire: "Retire",
    retireTitle: "Retire this key?",
    retireLead: (archives: number) =>
      `New backups are not sealed to it any more. ${archives === 0 ? "No stored archive needs its kit." : `Its kit still opens ${count(archives, "stored archive", "stored archives")}: keep it.`}`,
    discard: "Discard",
    discardTitle: "Discard this key?",
    discardLead: "Nothing was ever sealed to it. If a kit of it was saved, it opens nothing.",
    addTitle: "New encryption profile",
    addLead:
      "Coffer makes a key pair here, in this page. The public half goes to the server; the secret half goes into a recovery kit that you keep.",
    addKeyTitle: (name: string) => `Another key for ${plain(name)}`,
    addKeyLead: "Backups are sealed to all keys of a profile, and each of their kits opens them alone.",
    rotateTitle: (name: string) => `A new key for ${plain(name)}`,
    rotateLead:
      "Once the kit of the new key is checked, new backups are sealed to it and no longer to the old ones. Old kits still open old backups.",
    name: "Name of the profile",
    make: "Make the key",
    making: "Making the key…",
    kitLead:
      "The recovery kit is the only thing that opens what is sealed to this key. This page forgets the key when it is closed, and the server never has it.",
    fingerprint: "Fingerprint:",
    stepSave: "1. Save the kit",
    saveKit: "Save the recovery kit",
    printHint: "It is one page that any browser opens, without a network. Keep it apart from the backups, and print it from there.",
    stepCheck: "2. Open the saved kit again",
    checkTitle: "Check a recovery kit",
    checkLead: "Choose the file that you have saved. It is read in this page and compared with the key; it is not sent anywhere.",
    checkKit: "Check the kit…",
    chooseKit: "Choose the saved kit",
    otherKit: {
      title: "This is the kit of another key",
      detail: "It does not open what is sealed to this one. Nothing was changed.",
      next: "Choose the file with the fingerprint that is shown here.",
    } satisfies ProblemText,
    proven: "The kit fits. Backups can be sealed to this profile now.",
    rotated: "The kit fits. New backups are sealed to the new key from now on.",
    provenHint: "Keep the kit where you find it without this machine.",
    done: "Done",
    kitName: (fingerprint: string) => `coffer-recovery-kit-${fingerprint.slice(0, 8)}.html`,
  },

  /** What is written in a recovery kit: for somebody who may know nothing of Coffer. */
  kit: {
    title: (profile: string) => `Recovery kit: ${plain(profile)}`,
    warning:
      "Whoever has this page can open every backup that is sealed to this key. Keep it secret, and keep it apart from the backups. Nobody can make it again.",
    fingerprint: "Fingerprint",
    profile: "Profile",
    made: "Made on",
    server: "Server",
    opens: "What it opens",
    opensWhat: (profile: string) =>
      `Every archive (.coffer) that was sealed to the profile “${plain(profile)}” from this day on, until the key was retired there. The header of an archive names its keys by fingerprint.`,
    secret: "The secret key",
    qr: "The same secret key as a QR code:",
    withCoffer: "Opening a backup with Coffer",
    withCofferSteps: [
      "In the page of any Coffer, or in the file coffer-open.html that works without a network: choose “Open an archive”, then the archive, then “Use a key file” and this page.",
      "On the command line: coffer unseal ARCHIVE.coffer --identity THIS-PAGE.html --out ARCHIVE.zip",
      "From paper: type or scan the secret key into a text file of one line, and use that file in its place.",
    ],
    without: "Opening a backup without Coffer",
    withoutLead:
      "The format is published as “The formats of Coffer, version 1”. A program of about a hundred lines of Python (package cryptography, 50 or later) does this:",
    withoutSteps: {
      mlkem768x25519: steps(
        "one byte 01, then 32 bytes, which are the seed of an X-Wing key (ML-KEM-768 and X25519)",
        "mlkem768x25519",
        "KEM 0x647A (X-Wing)",
        1120,
      ),
      x25519: steps("one byte 02, then 32 bytes, which are an X25519 key", "x25519", "KEM 0x0020 (X25519)", 32),
    } satisfies Record<KeyType, readonly string[]>,
  },
};

/** How an archive is opened by a secret key, in short; section 3 of the format has every detail. */
function steps(holds: string, stanza: string, kem: string, encapsulated: number): readonly string[] {
  return [
    `The secret key is Bech32 (BIP 173) text with the prefix COFFER-SECRET-KEY-. It holds ${holds}.`,
    "The archive starts with a header: bytes 10 and 11 are its length in units of 4096, bytes 12 to 15 the length of the text that follows (all big-endian).",
    `In the text, find the line “-> ${stanza} FINGERPRINT ENCAPSULATED-KEY” with this key’s fingerprint. The encapsulated key is base64 without padding (${encapsulated} bytes); the lines below are the body, 48 bytes in base64.`,
    `The body is HPKE (RFC 9180, base mode) with ${kem}, KDF 0x0001 (HKDF-SHA256), AEAD 0x0002 (AES-256-GCM), info “coffer/v1/${stanza}”, no aad. It opens to the archive’s file key, 32 bytes.`,
    "Behind the header lies the content as c2sp.org/chunked-encryption describes it (AES-256-GCM, chunks of 16 KiB); its input key and context follow from the file key as section 3 says.",
    "What comes out is a ZIP with a manifest, tables as tab-separated text, and files.",
  ];
}
