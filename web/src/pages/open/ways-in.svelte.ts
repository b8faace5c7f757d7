/** What somebody types to say who can open something: a password, twice, and public keys. */

export class WaysInForm {
  withPassword = $state(true);
  /** Nothing need be given. */
  readonly #optional: boolean;
  password = $state("");
  repeated = $state("");
  withRecipients = $state(false);
  /** As typed, one a line. */
  recipients = $state("");
  /** It was tried to use them: from then on it is said what is missing. */
  tried = $state(false);

  constructor({ withPassword = true, optional = false }: { withPassword?: boolean; optional?: boolean } = {}) {
    this.withPassword = withPassword;
    this.#optional = optional;
  }

  get empty(): boolean {
    return this.withPassword && this.password === "";
  }

  get different(): boolean {
    return this.withPassword && this.password !== this.repeated;
  }

  get #keys(): string[] {
    const lines = this.recipients.split(/\s+/).filter((line) => line !== "");
    return this.withRecipients ? lines : [];
  }

  get nobody(): boolean {
    return !this.#optional && !this.withPassword && this.#keys.length === 0;
  }

  /** What was typed, if it can be used. */
  take(): { passwords: string[]; recipients: string[] } | undefined {
    this.tried = true;
    if (this.empty || this.different || this.nobody) return undefined;
    return { passwords: this.withPassword ? [this.password] : [], recipients: this.#keys };
  }

  forget(): void {
    this.password = this.repeated = this.recipients = "";
    this.tried = false;
  }
}
