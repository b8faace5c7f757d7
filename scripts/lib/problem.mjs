// What a person is told when a script can't go on.

/** A failure with a sentence for the person at the terminal. Anything else that is thrown is a bug in a script. */
export class Problem extends Error {
  /** @param {string} sentence what happened and what to do about it */
  constructor(sentence, options) {
    super(sentence, options);
    this.name = "Problem";
  }
}

/** Runs a script's main function: a {@link Problem} ends it with its sentence, other errors with their stack. */
export async function main(body) {
  try {
    process.exitCode = (await body()) ?? 0;
  } catch (error) {
    process.exitCode = 1;
    if (error instanceof Problem) console.error(`\n${error.message}`);
    else console.error(error);
  }
}
