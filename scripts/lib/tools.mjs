// The environment that tests, soaks and benches find their tools in.
import { archiver } from "../setup/archivers.mjs";
import { chromium, firefox } from "../setup/browsers.mjs";
import { postgres } from "../setup/postgres.mjs";
import { proj } from "../setup/proj.mjs";
import { python } from "../setup/python.mjs";
import { zabbix } from "../setup/zabbix.mjs";
import { at, cofferProgram } from "./paths.mjs";

const finders = {
  /** The `coffer` program. */
  COFFER_BIN: async () => cofferProgram,
  /** The built web app, for `coffer serve --web`. */
  COFFER_WEB: async () => at("web", "dist"),
  /** The browser's program. */
  COFFER_CHROMIUM: chromium,
  /** A second browser, of another maker. */
  COFFER_FIREFOX: firefox,
  /** The directory of PostgreSQL's server programs. They refuse to run as root. */
  COFFER_POSTGRES_BIN: postgres,
  /** Zabbix's PostgreSQL schema and data, as its Debian package has them. */
  COFFER_ZABBIX: zabbix,
  /** PROJ's SQLite database, as its Debian package has it. */
  COFFER_PROJ: proj,
  /** A Python with `cryptography` and `argon2-cffi`. */
  COFFER_PYTHON: python,
  /** Info-ZIP's unzip. */
  COFFER_UNZIP: () => archiver("unzip"),
  /** 7-Zip. */
  COFFER_7Z: () => archiver("sevenZip"),
  /** libarchive's tar. */
  COFFER_BSDTAR: () => archiver("bsdtar"),
};

/**
 * Finds or installs tools, and returns the environment variables that name them.
 *
 * @param {(keyof typeof finders)[]} names
 * @returns {Promise<Record<string, string>>}
 */
export async function tools(...names) {
  const env = {};
  for (const name of names) env[name] = await finders[name]();
  return env;
}
