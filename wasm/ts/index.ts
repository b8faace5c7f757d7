export { ArchiveHandle, keyFileFits, makeKey, openArchive } from "./archive.js";
export type { ByteStream } from "./byte-stream.js";
export { ArchiveFailure, type Code, type CofferError, type KnownCode } from "./failure.js";
export type * from "./foreign.js";
export type * from "./manifest.js";
export { ArchiveFile, DerivedArchive, PlainArchive, RekeyedArchive, RestoreBundle } from "./pieces.js";
export { type SealOptions, seal } from "./seal.js";
export type {
  CryptoChoice,
  KeyChange,
  KeysChanged,
  KeyType,
  Lock,
  LockedKeyPair,
  OnProgress,
  RowMatches,
  RowsPage,
  SecretKeyPair,
  Sender,
  TableFormat,
  Verified,
} from "./service.js";
