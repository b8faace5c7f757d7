/** Words about sealing a file in the page, about other files made of an open archive, and about the strength of passwords. */
import type { Lock } from "@coffer/archive";
import type { Score, Weakness } from "../lib/strength";
import { plain } from "../lib/visible";

export const sealTexts = {
  strength: {
    scores: {
      0: "Guessed at once.",
      1: "Easy to guess.",
      2: "Somebody with time would guess it.",
      3: "Hard to guess.",
      4: "Very hard to guess.",
    } satisfies Record<Score, string>,
    weaknesses: {
      straightRow: "Keys that lie in a row are among the first guesses.",
      keyPattern: "Short patterns on the keyboard are guessed early.",
      simpleRepeat: "A character again and again adds next to nothing.",
      extendedRepeat: "What is repeated adds next to nothing.",
      sequences: "Sequences like abc or 6543 are guessed early.",
      recentYears: "Recent years are guessed early.",
      dates: "Dates are guessed early.",
      topTen: "It is one of the ten most used passwords.",
      topHundred: "It is one of the hundred most used passwords.",
      common: "It is one of the most used passwords.",
      similarToCommon: "It is close to one of the most used passwords.",
      wordByItself: "A single word is guessed early.",
      namesByThemselves: "Names are guessed early.",
      commonNames: "Names are guessed early.",
      userInputs: "It is made of what everybody knows who sees this file.",
      pwned: "It is in a list of stolen passwords.",
    } satisfies Record<Weakness, string>,
    advice: "Add a word or two, picked at random.",
  },

  seal: {
    button: "Seal a file",
    title: "Seal a file",
    ofArchive: "Seal this archive",
    lead: "Encrypts any file in this page. Without a password or a key that you choose here, nobody can open it, and nobody can recover it for you.",
    choose: "Choose a file",
    another: "Choose another file",
    alreadySealed: "This file is sealed already. Open it to change who can open it.",
    password: "With a password",
    recipients: "To keys",
    recipientsHint: "Public halves, one a line. Whoever has the key file of one of them can open it.",
    recipientsPlaceholder: "coffer1…",
    nobody: "Give a password, a key, or both.",
    badRecipient: {
      title: "One of these is not a public key",
      detail: "A public key begins with coffer1 and stands on a line of its own. Nothing was sealed.",
      next: "Copy it again from where it was shown.",
    },
    submit: "Seal and save",
    sealing: "Sealing",
    cancelled: "It was stopped. Nothing was saved, and the file that it was made of is as it was.",
    done: (name: string) => `${plain(name)} is sealed and saved.`,
    doneHint: "The file that you chose is as it was. Open the sealed one once, before you delete anything.",
    again: "Seal another file",
  },

  rekey: {
    button: "Who can open it…",
    title: "Who can open this archive",
    lead: "Saves this archive as a new file that other passwords and keys open. Its content stays as it is, byte for byte.",
    now: "Who can open it now",
    nowHint: "What you uncheck does not open the new file.",
    lock(lock: Lock): string {
      switch (lock.kind) {
        case "password":
          return "A password";
        case "locked_key":
          return `The password of the key ${lock.fingerprint}, which lies in the archive`;
        case "key":
          return `The key file of ${lock.fingerprint}`;
        case "profile_key":
          return "The key of a profile";
        case "unknown":
          return `Something that a newer Coffer knows (${plain(lock.type)})`;
      }
    },
    change: "Change the password that opened it",
    add: "Add a password",
    addKeys: "Add keys",
    old: "Old copies of the file still open the old way, and whoever has opened it may have kept what is inside.",
    submit: "Save the new file",
    saving: "Writing and comparing",
    fileName: (name: string) => `rekeyed-${name}`,
    done: (name: string) => `${plain(name)} is saved.`,
    after: "It is opened by:",
    same: "Its content was compared on the way, and is the same. The SHA-256 of its table of digests, before and after:",
  },

  redact: {
    button: "Without credentials…",
    title: "A copy without credentials",
    lead: "Saves a standard archive of this one: where it holds password hashes, tokens and keys, placeholders stand in the copy.",
    freeText:
      "What is a credential is said by the rules that the archive carries. Free text and files can hold anything, and are not looked into.",
    withoutFiles: "Leave all files out",
    withoutFilesHint: "Rows stay as they are, also those that name files.",
    seal: "Seal it",
    sealHint: "It still holds everything else, such as names and messages.",
    submit: "Save the copy",
    saving: "Leaving credentials out",
    fileName: (name: string, sealed: boolean) => `${name}-standard.${sealed ? "coffer" : "zip"}`,
    done: (name: string) => `${plain(name)} is saved. Every digest of what it was made of was compared.`,
    doneHint: "Open it once, and look at it, before you pass it on. The archive that is open here is as it was.",
  },

  otherContent: {
    lead: "It is unlocked. What is inside is no archive, but some other file; it can be saved as it was when it was sealed.",
    save: "Save what is inside",
    saving: "Decrypting",
    saved: (name: string) => `${plain(name)} is saved. Every byte is as it was sealed.`,
  },
};
