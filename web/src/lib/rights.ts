/** What somebody may do with what. */
import type { Backup } from "./api";
import { session } from "./session.svelte";

/** Whether a backup may be locked or deleted: with the permission for its source, or by who uploaded it. */
export const mayChange = ({ source, uploaded_by }: Backup): boolean =>
  session.mayWith("configure", source) || (uploaded_by !== null && uploaded_by === session.name);
