export { ArchiveHandle, makeKey, openArchive } from "./archive.js";
export { ArchiveFailure, type Code, type CofferError, type KnownCode } from "./failure.js";
export type * from "./manifest.js";
export { ArchiveFile, RestoreBundle } from "./pieces.js";
export type { KeyPair, Lock, OnProgress, RowsPage, Verified } from "./service.js";
