/** Made by `common-words.mjs` while the page is built: with spaces between them, the most common first. */
declare module "virtual:common-words" {
  export const passwords: string;
  export const words: string;
}
