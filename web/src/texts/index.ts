/**
 * Every word that people read, in one place: a file an area. People come here on bad days: say what is, what is safe, and
 * what a button will do; blame nobody; no exclamation marks.
 */
import { appTexts } from "./app";
import { archiveTexts } from "./archive";
import { backupTexts } from "./backups";
import { engines, tableName } from "./common";
import { destinationTexts } from "./destinations";
import { healthTexts } from "./health";
import { jobTexts } from "./jobs";
import { notificationTexts } from "./notifications";
import { openTexts } from "./open";
import { peopleTexts } from "./people";
import { profileTexts } from "./profiles";
import { restoreTexts } from "./restore";
import { sealTexts } from "./seal";

export type { ProblemText } from "./common";

export const texts = {
  tableName,
  engines,
  people: peopleTexts,
  ...appTexts,
  ...archiveTexts,
  ...backupTexts,
  ...destinationTexts,
  ...healthTexts,
  ...jobTexts,
  ...notificationTexts,
  ...openTexts,
  ...profileTexts,
  ...restoreTexts,
  ...sealTexts,
};
