export { ArchiveHandle, keyFileFits, makeKey, openArchive } from "./archive.js";
export type { ByteStream } from "./byte-stream.js";
export { ArchiveFailure, type Code, type CofferError, type KnownCode } from "./failure.js";
export type * from "./foreign.js";
export type * from "./manifest.js";
export { ArchiveFile, PlainArchive, RestoreBundle } from "./pieces.js";
export { type SealOptions, seal } from "./seal.js";
export type { CryptoChoice, KeyType, Lock, LockedKeyPair, OnProgress, RowsPage, SecretKeyPair, Sender, Verified } from "./service.js";
