// Sealing and unsealing in Chromium, against WebCrypto alone (one call at a time, and in batches) and npm age-encryption.
import { inPage } from "./support/browser.mjs";
import { median, ratio, speed, table } from "./support/figures.mjs";

const size = Number(process.env.BENCH_MIB ?? 256) << 20;
const rounds = Number(process.env.BENCH_ROUNDS ?? 7);

/** Runs in the page: milliseconds of each way, one round after the other. */
async function measure({ size, rounds }) {
  const pieceBytes = 16 << 10;
  const part = new Uint8Array(16 << 20);
  for (let start = 0; start < part.length; start += 65_536) crypto.getRandomValues(part.subarray(start, start + 65_536));

  // What is sealed and opened lies in files, as what people pick does.
  const folder = await navigator.storage.getDirectory();
  const written = async (name, stream) => {
    const handle = await folder.getFileHandle(name, { create: true });
    await stream.pipeTo(await handle.createWritable());
    return handle.getFile();
  };
  const parts = new Blob(Array.from({ length: 4 }, () => part));
  const content = await written("content", new Blob(Array.from({ length: size / parts.size }, () => parts)).stream());

  const timed = async (work) => {
    const before = performance.now();
    const result = await work();
    return { milliseconds: performance.now() - before, result };
  };
  const drain = async (pieces) => {
    let bytes = 0;
    for await (const piece of pieces) bytes += piece.length;
    return bytes;
  };

  // WebCrypto alone, in the page's thread: 16 KiB pieces that lie in memory, results thrown away. One call after the
  // other; and as fast as one thread can be made to do it, with many calls at once and the results' memory given back.
  const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  const iv = new Uint8Array(12);
  const sealedPiece = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, part.subarray(0, pieceBytes)));
  const nowhere = new MessageChannel();
  nowhere.port2.close();
  const raw = async (work) => {
    for (let done = 0; done < size; done += pieceBytes) await work(done);
  };
  const batched = async (work, together) => {
    for (let done = 0; done < size / pieceBytes; done += together) {
      const results = Array.from({ length: together }, (_, index) => work((done + index) * pieceBytes));
      nowhere.port1.postMessage(undefined, await Promise.all(results));
    }
  };
  const encrypt = (at) =>
    crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, part.subarray(at % part.length, (at % part.length) + pieceBytes));
  const decrypt = () => crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, sealedPiece);
  const fastest = async (work) => {
    const times = [];
    for (const together of [16, 64]) times.push((await timed(() => batched(work, together))).milliseconds);
    return Math.min(...times);
  };

  // The key is made beforehand: age has its keys too.
  const { recipient } = await coffer.makeKey();
  const sealed = await written("sealed", coffer.seal(content, { passwords: ["pass"] }).stream());
  const archive = await coffer.openArchive(sealed);
  await archive.unlock("pass");

  const { age } = rivals;
  const identity = await age.generateIdentity();
  const encrypter = new age.Encrypter();
  encrypter.addRecipient(await age.identityToRecipient(identity));
  const decrypter = new age.Decrypter();
  decrypter.addIdentity(identity);
  const aged = await written("aged", await encrypter.encrypt(content.stream()));

  const ways = {
    "raw seal": async () => (await timed(() => raw(encrypt))).milliseconds,
    "batched seal": () => fastest(encrypt),
    seal: async () => (await timed(() => drain(coffer.seal(content, { recipients: [recipient] })))).milliseconds,
    "age seal": async () => (await timed(async () => drain(await encrypter.encrypt(content.stream())))).milliseconds,
    "raw unseal": async () => (await timed(() => raw(decrypt))).milliseconds,
    "batched unseal": () => fastest(decrypt),
    unseal: async () => {
      const { milliseconds, result } = await timed(async () => drain(await archive.unseal()));
      if (result !== size) throw new Error(`${result} bytes came out of ${size}`);
      return milliseconds;
    },
    "age unseal": async () => (await timed(async () => drain(await decrypter.decrypt(aged.stream())))).milliseconds,
  };
  const times = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  for (let round = -1; round < rounds; round += 1)
    for (const [name, run] of Object.entries(ways)) {
      const milliseconds = await run();
      // The first round only warms up.
      if (round >= 0) times[name].push(milliseconds);
    }
  return times;
}

const times = await inPage({ rivals: true }, (page) => page.evaluate(measure, { size, rounds }));
const speeds = Object.fromEntries(Object.entries(times).map(([name, list]) => [name, list.map((ms) => speed(size, ms))]));
const row = (name) => [
  `${name} ${size >> 20} MiB`,
  ...[name, `raw ${name}`, `batched ${name}`, `age ${name}`].map((way) => median(speeds[way]).toFixed(0)),
  ratio(speeds[name], speeds[`raw ${name}`]).toFixed(2),
  ratio(speeds[name], speeds[`batched ${name}`]).toFixed(2),
  ratio(speeds[name], speeds[`age ${name}`]).toFixed(1),
];
const peers = ["WebCrypto, one call at a time", "WebCrypto in batches", "age-encryption"];
console.log(`Chromium, MB/s, medians of ${rounds} rounds; each ratio is the median of the rounds' own ratios.\n`);
console.log(table([["", "Coffer", ...peers, "to one at a time (≥ 0.8)", "to batches", "to age (≥ 4)"], row("seal"), row("unseal")]));
