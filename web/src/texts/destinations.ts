/** Words about destinations: where copies of backups go, whether that works, and what is found there. */
import type { Probed } from "../lib/destinations";
import { bytes, count, number } from "../lib/format";
import { plain } from "../lib/visible";

const archives = (value: number) => count(value, "archive", "archives");

export const destinationTexts = {
  destinations: {
    title: "Destinations",
    lead: "Where jobs store copies of backups. What is stored is sealed: whoever keeps it can’t read it.",
    add: "New destination",
    none: "No destination yet",
    noneLead:
      "A folder on another disk, or a bucket of an S3 server. Keep at least one in another building: a fire takes the server and everything beside it.",
    kinds: { folder: "Folder", s3: "Bucket" },
    copies: (value: number) => count(value, "copy", "copies"),
    noCopies: "No copy is stored here yet.",
    lastVerified: "newest read again and found right",
    damagedCopies: (value: number) =>
      `${count(value, "copy here is", "copies here are")} damaged. Jobs write new ones; look at the disk or the bucket.`,
    unverified: (value: number) => `${number(value)} not verified`,
    usedBy: (jobs: string) => `Used by ${jobs}`,
    unused: "No job uses it.",
    key: (id: string) => `key ${plain(id)}`,
    test: "Test",
    testing: "Testing…",
    works: ({ archives: there, free }: Probed) =>
      `A small object was written, read back and removed. ${archives(there)} ${there === 1 ? "is" : "are"} there, and ${free === null ? "nobody can tell how much is free" : `${bytes(free)} are free`}.`,
    takeDisk: "It is a new disk: use it",
    failed: (name: string) => `${plain(name)} can’t be used as it is`,
    find: "Look for unknown archives",
    finding: "Looking…",
    change: "Change…",
    remove: "Remove",
    removeTitle: (name: string) => `Remove ${plain(name)}?`,
    removeLead: "Coffer forgets this destination. What is stored there stays.",
  },

  editDestination: {
    addTitle: "New destination",
    changeTitle: (name: string) => `Change ${plain(name)}`,
    lead: "It is tried out first: a small object is written, read back and removed.",
    name: "Name",
    nameHint: "How you call it, e.g. Disk in the cellar.",
    kind: "Kind",
    kinds: {
      folder: { name: "A folder of the server", hint: "Such as a mounted disk or share." },
      s3: { name: "A bucket (S3)", hint: "Of Amazon, or of any server that speaks S3." },
    },
    path: "Folder",
    pathHint: "Its whole path on the server. It must be there already.",
    bucket: "Bucket",
    endpoint: "Server’s address",
    endpointHint: "Such as https://s3.example.org. Leave it empty for Amazon.",
    region: "Region",
    regionHint: "Most servers but Amazon’s need none.",
    prefix: "Folder in the bucket",
    prefixHint: "Leave it empty to use the whole bucket.",
    virtualHost: "The bucket is part of the server’s name",
    virtualHostHint: "As Amazon has it. Most others have it in the path.",
    keyId: "Access key",
    secret: "Secret access key",
    secretHint: "It is stored encrypted and never shown again.",
    keepHint: "Leave both keys empty to keep the stored ones. Once the place changes, they are needed again.",
    submit: "Test and add",
    change: "Test and change",
    working: "Testing…",
  },

  adopt: {
    title: (name: string) => `Unknown archives in ${plain(name)}`,
    lead: "These are stored here and not in the catalog, as after a loss of the catalog or when another server wrote them. Adopting reads each, and lists it among the backups. Nothing in the destination changes.",
    none: "Every archive that is there is known.",
    all: "All of them",
    columns: { name: "Archive", size: "Size", taken: "Taken" },
    unknown: "its name doesn’t say",
    adopt: (value: number) => `Adopt ${archives(value)}`,
    adopting: "Reading the archives",
    stopped: "It did not get to the end",
    adopted: (value: number) => `${archives(value)} adopted.`,
    verified: "adopted and verified",
    unverified: "adopted; signed by somebody else, so nobody here can say that it is whole",
    refused: (value: number) => `${archives(value)} could not be adopted`,
    done: "Done",
  },
};
