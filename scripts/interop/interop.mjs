// SPDX-License-Identifier: Apache-2.0
// Prints docs/interop.md: reads mtpgraft's outputs with every reader of readers.mjs, compares that with what mtpgraft
// itself says of them, and runs them. interop.sh prepares what it needs.

import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getLlama, LlamaCompletion } from 'node-llama-cpp';
import {
  args,
  execute,
  generate,
  here,
  model,
  MTPGRAFT,
  mtpgraft,
  PROMPTS,
  TARGET,
  work,
  write,
} from '../../tests/e2e/e2e_tools.mjs';
import { READERS, tool } from './readers.mjs';

const FEW = { prompts: PROMPTS.slice(0, 2), n_predict: 48 };

// --- The files -------------------------------------------------------------------------------------------------------

const made = (path, options) => ({ files: [path], ...options });

async function grafted(target, donor, ...flags) {
  const [targetPath, donorPath] = [await model(target), donor.includes('/') ? donor : await model(donor)];
  const out = await write('graft', targetPath, donorPath, ...flags);
  return made(out, { target: targetPath });
}

async function graftedInPlace() {
  const target = await model(TARGET);
  const out = join(work, 'in-place.gguf');
  copyFileSync(target, out);
  await mtpgraft('graft', '--in-place', out, await model('mtp-base-8L-Q8_0'));
  return made(out, { target });
}

async function graftedSet(target, ...flags) {
  const donor = await model('mtp-base-8L-Q8_0');
  const answer = await execute(MTPGRAFT, ['graft', '--json', target, donor, '-o', join(work, `set${flags}.gguf`), ...flags]);
  if (answer.status !== 0) throw new Error(answer.text);
  return { files: JSON.parse(answer.stdout).result.outputs.map(({ path }) => path), target: await model(TARGET) };
}

async function splitTarget() {
  const made = await execute('python3', [here('../support/make_fixtures.py'), '--models', args.models, '-o', work, 'split']);
  if (made.status !== 0) throw new Error(made.text);
  return join(work, 'split', 'four-Q4_K_M-00001-of-00004.gguf');
}

const DONORS = ['mtp-base-8L-Q8_0', 'mtp-base-8L-Q4_K_M', 'mtp-base-8L-BF16', 'head-only-base-8L-BF16', 'mtp-random-8L-F16'];

const SUBJECTS = [
  ['the target, untouched', async () => made(await model(TARGET), { target: await model(TARGET), hasHead: false })],
  ...DONORS.map((donor) => [`+ ${donor}`, () => grafted(TARGET, donor)]),
  ['+ hf-base-8L, a checkpoint', () => grafted(TARGET, join(args.models, 'hf-base-8L'))],
  ['+ mtp-base-8L-BF16 --head-type q8_0', () => grafted(TARGET, 'mtp-base-8L-BF16', '--head-type', 'q8_0')],
  ['+ mtp-base-8L-Q8_0 --yarn 4', () => grafted(TARGET, 'mtp-base-8L-Q8_0', '--yarn', '4')],
  ['+ mtp-base-8L-Q8_0 --in-place', graftedInPlace],
  ['+ mtp-base-8L-Q8_0 --split-head', async () => graftedSet(await model(TARGET), '--split-head')],
  ['the target in 4 files + mtp-base-8L-Q8_0', async () => graftedSet(await splitTarget())],
  ['target-align-4096 + mtp-base-8L-Q8_0', () => grafted('target-align-4096', 'mtp-base-8L-Q8_0')],
  ['target-odd-keys + mtp-base-8L-Q8_0', () => grafted('target-odd-keys', 'mtp-base-8L-Q8_0')],
  ['moe-qwen35moe-target + moe-qwen35moe-donor', () => grafted('moe-qwen35moe-target', 'moe-qwen35moe-donor')],
  [
    'extract --for the target, a sidecar',
    async () => {
      const target = await model(TARGET);
      const out = await write('extract', await model('mtp-base-8L-BF16'), '--for', target);
      return made(out, { target, isSidecar: true });
    },
  ],
  [
    'strip of the first graft',
    async () => {
      const { files, target } = await grafted(TARGET, 'mtp-base-8L-Q8_0');
      return made(await write('strip', files[0]), { target, hasHead: false });
    },
  ],
];

// --- What mtpgraft says ----------------------------------------------------------------------------------------------

async function ask(...options) {
  const answer = await execute(MTPGRAFT, [...options, '--json']);
  if (answer.status !== 0) throw new Error(answer.text);
  return JSON.parse(answer.stdout).result;
}

/** Of one file; of a split model's first file, without what is in the others. */
async function expectation(path) {
  const [file] = (await ask('inspect', '--tensors', '--kv', path)).files;
  const { checksums } = await ask('checksum', '--algorithm', 'sha256', path);
  const digests = new Map(checksums.map(({ name, digest }) => [name, digest]));
  const tensors = file.tensors
    .filter((tensor) => (tensor.path ?? path) === path)
    .map((tensor) => ({ ...tensor, sha256: digests.get(tensor.name) }));
  return { path, keys: file.keys, tensors, dataOffset: file.data_offset };
}

// --- Comparison ------------------------------------------------------------------------------------------------------

function sameValue(seen, expected) {
  if (Array.isArray(expected)) {
    return Array.isArray(seen) && seen.length >= expected.length && expected.every((item, i) => sameValue(seen[i], item));
  }
  if (typeof expected === 'boolean') return seen === expected;
  if (typeof expected === 'number') return Number(seen) === expected || Math.fround(Number(seen)) === Math.fround(expected);
  return String(seen) === expected || (seen !== '' && !Number.isNaN(Number(seen)) && Number(seen) === Number(expected));
}

// inspect shows long values in part; of arrays it tells the count.
function sameKey(seen, { type, value, element_type, count, is_complete }) {
  if (seen.type && (seen.type !== type || (count > 0 && seen.element_type && seen.element_type !== element_type))) return false;
  if (type === 'array') return sameValue(seen.value, value) && seen.value.length === count;
  return is_complete ? sameValue(seen.value, value) : String(seen.value).startsWith(value);
}

const withoutOnes = (shape) => shape.map(Number).join(',').replace(/(,1)+$/, '');

function sameTensor(seen, expected, file, dataOffset) {
  const offset = seen.data_offset === undefined ? seen.offset : seen.data_offset + dataOffset;
  const data = () => file.subarray(offset, offset + expected.bytes);
  return (
    (seen.type_id ?? expected.type_id) === expected.type_id &&
    withoutOnes(seen.shape ?? expected.shape) === withoutOnes(expected.shape) &&
    (offset ?? expected.offset) === expected.offset &&
    (seen.sha256 ?? createHash('sha256').update(data()).digest('hex')) === expected.sha256
  );
}

/** What a reader's answer differs in. */
function differences({ keys, tensors }, expected) {
  const found = [];
  if (keys) {
    const unknown = Object.keys(keys).filter((name) => !expected.keys.some(({ key }) => key === name));
    found.push(...unknown.map((name) => `key ${name}: is not there`));
    for (const key of expected.keys) {
      if (!keys[key.key]) found.push(`key ${key.key}: not seen`);
      else if (!sameKey(keys[key.key], key)) found.push(`key ${key.key}: another value`);
    }
  }
  if (tensors) {
    const file = readFileSync(expected.path);
    if (tensors.length !== expected.tensors.length) found.push(`tensors: ${tensors.length}`);
    expected.tensors.forEach((tensor, i) => {
      if (tensors[i]?.name !== tensor.name) found.push(`tensor ${tensor.name}: not in its place`);
      else if (!sameTensor(tensors[i], tensor, file, expected.dataOffset)) found.push(`tensor ${tensor.name}: differs`);
    });
  }
  return found;
}

// --- Manifests -------------------------------------------------------------------------------------------------------

/** Whether verify -c is content with what llama-gguf-hash writes of `sources`. */
async function manifestHolds(sources, path) {
  const manifest = join(work, 'manifest');
  const algorithms = ['--xxh64', '--sha1', '--sha256', '--uuid'];
  const hashed = [];
  for (const source of sources) hashed.push(await execute(tool('llama-gguf-hash'), [...algorithms, source]));
  writeFileSync(manifest, hashed.map(({ stdout }) => stdout).join(''));
  const { status } = await execute(MTPGRAFT, ['verify', '-q', '--strict', '-c', manifest, path]);
  return hashed.every((answer) => answer.status === 0) && status === 0;
}

async function checkManifests({ files, target, isSidecar }) {
  const [own, targets] = [await manifestHolds(files, files[0]), isSidecar ? null : await manifestHolds([target], files[0])];
  const word = (holds) => (holds === null ? '-' : holds ? 'OK' : 'FAILED');
  return [word(own), word(targets)];
}

// --- Runtimes --------------------------------------------------------------------------------------------------------

const reference = new Map();

/** The text that the ungrafted target gives in the same runtime. */
async function onceFor(runtime, target, run) {
  const name = `${runtime} ${target}`;
  if (!reference.has(name)) reference.set(name, await run());
  return reference.get(name);
}

async function runByLlamaNode({ files, target, hasHead = true, isSidecar }) {
  const plain = await onceFor('llama.node', target, () => generate(target, 0, FEW));
  const [path, options] = isSidecar ? [target, { ...FEW, draft_model: files[0] }] : [files[0], FEW];
  const texts = [(await generate(path, 0, FEW)).texts];
  let drafts = 'no head';
  if (hasHead) {
    const drafting = await generate(path, 1, options);
    texts.push(drafting.texts);
    drafts = `${drafting.accepted} of ${drafting.drafted}`;
  }
  const same = texts.every((of) => JSON.stringify(of) === JSON.stringify(plain.texts));
  return [same ? 'same text' : 'other text', drafts];
}

const LOG_TRIES = 10;

/** Its log's last lines, which have the figures, are sometimes lost: it ends without waiting for the thread that writes. */
async function speculate(options) {
  const command = [
    ...options, '-n', `${FEW.n_predict}`, '--temp', '0', '--top-k', '1', '-t', '1', '-td', '1', '-c', '1024', '-fa', 'off',
    '--spec-type', 'draft-mtp', '--spec-draft-n-max', '1',
  ];
  for (let tries = 1; ; tries += 1) {
    const { status, stdout, stderr, text } = await execute(tool('llama-speculative-simple'), command);
    const count = (name) => Number(new RegExp(`${name} += (\\d+)`).exec(stderr + stdout)?.[1]);
    const [drafted, accepted] = [count('n_drafted'), count('n_accept')];
    if (status === 0 && accepted >= 0) return { drafted, accepted };
    if (status !== 0 || tries === LOG_TRIES) throw new Error(`exit ${status}: ${text}`);
  }
}

async function runByLlamaCpp({ files, target, hasHead = true, isSidecar }) {
  if (!hasHead) return ['no head'];
  const prompt = join(work, 'prompt');
  let [drafted, accepted] = [0, 0];
  for (const text of FEW.prompts) {
    writeFileSync(prompt, text);
    const models = isSidecar ? ['-m', target, '-md', files[0]] : ['-m', files[0]];
    const figures = await speculate([...models, '-f', prompt]);
    drafted += figures.drafted;
    accepted += figures.accepted;
  }
  return [`${accepted} of ${drafted}`];
}

const llama = await getLlama({ gpu: false, build: 'never', maxThreads: 1, logLevel: 'error' });

async function textByNodeLlamaCpp(path) {
  const loaded = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
  const context = await loaded.createContext({ contextSize: 512, threads: 1 });
  const completion = new LlamaCompletion({ contextSequence: context.getSequence() });
  const options = { maxTokens: FEW.n_predict, temperature: 0 };
  const texts = [];
  for (const prompt of FEW.prompts) texts.push(await completion.generateCompletion(prompt, options));
  await loaded.dispose();
  return JSON.stringify(texts);
}

async function runByNodeLlamaCpp({ files, target, isSidecar }) {
  if (isSidecar) return ['not a model'];
  const plain = await onceFor('node-llama-cpp', target, () => textByNodeLlamaCpp(target));
  return [(await textByNodeLlamaCpp(files[0])) === plain ? 'same text' : 'other text'];
}

async function tried(run, columns) {
  try {
    return await run();
  } catch (error) {
    console.error(error.message);
    return [`fails: ${error.message.split('\n')[0].slice(0, 80)}`, ...Array(columns - 1).fill('')];
  }
}

// --- The document ----------------------------------------------------------------------------------------------------

// [reader, pattern of the difference, reason]
const WHY = [
  ['ggml', /^key odd\.(end\.)?control: another/, 'its C functions give a string up to the first NUL.'],
  ['gguf-py', /UnicodeDecodeError/, 'it does not decode a string that is no UTF-8.'],
  [
    'hyllama',
    /^key (tokenizer\.|odd\.(end\.)?(key|control|string|invalid))/,
    'it takes each byte of a string for a character, so that names and texts beyond ASCII come out wrong.',
  ],
  ['gguf', /^key odd\.(end\.)?f64: another/, 'it reads an f64 with its bytes in the other order.'],
  ['gguf', /^key odd\.(end\.)?control: another/, 'it leaves NULs out of strings.'],
  ['gguf', /^key odd\..*: not seen/, "it makes objects of names with dots, and loses `a.b` where `a` is a key as well."],
];

const notes = [];
function noteNumber(reader, text) {
  const why = WHY.find(([name, pattern]) => name === reader && pattern.test(text))?.[2];
  if (!why) {
    console.error(`${reader}: not explained: ${text}`);
    process.exitCode = 1;
  }
  const note = `${reader}: ${why ?? `not explained: ${text}`}`;
  if (!notes.includes(note)) notes.push(note);
  return notes.indexOf(note) + 1;
}

async function cell({ name, read }, expectations) {
  const found = [];
  for (const expected of expectations) {
    try {
      found.push(...differences(await read(expected.path), expected));
    } catch (error) {
      found.push(`refused: ${error.message}`);
    }
  }
  if (found.length === 0) return 'equal';
  const what = found.some((text) => text.startsWith('refused')) ? 'refused'
    : found.some((text) => text.startsWith('tensor')) ? 'tensors differ' : 'keys differ';
  const numbers = new Set(found.map((text) => noteNumber(name, text)));
  return `${what} (${[...numbers].join(', ')})`;
}

const row = (cells) => `| ${cells.join(' | ')} |`;
const table = (head, rows) => [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');

const readings = [];
const manifests = [];
const runs = [];
for (const [name, make] of SUBJECTS) {
  let subject;
  try {
    subject = await make();
  } catch (error) {
    // Not every file system can change a file in place.
    console.error(`${name}: ${error.message}`);
    readings.push([name, 'not made here']);
    continue;
  }
  const expectations = [];
  for (const path of subject.files) expectations.push(await expectation(path));
  const sum = (count) => expectations.reduce((total, expected) => total + count(expected), 0);
  const cells = [];
  for (const reader of READERS) cells.push(await cell(reader, expectations));
  const counts = [sum(({ keys }) => keys.length), sum(({ tensors }) => tensors.length)];
  readings.push([name, expectations.length, ...counts, ...cells]);
  manifests.push([name, ...(await checkManifests(subject))]);
  runs.push([
    name,
    ...(await tried(() => runByLlamaNode(subject), 2)),
    ...(await tried(() => runByLlamaCpp(subject), 1)),
    ...(await tried(() => runByNodeLlamaCpp(subject), 1)),
  ]);
  console.error(readings.at(-1).join(' | '), '\n  ', runs.at(-1).slice(1).join(' | '));
}

// What is not as it should be must not go into the docs unseen.
if ([...manifests, ...runs].flat().some((text) => /^(FAILED|other text|fails)/.test(text))) process.exitCode = 1;

console.log(`# Interoperability

What others make of mtpgraft's outputs: readers of GGUF from npm, and llama.cpp in two versions. node-llama-cpp brings the source
of llama.cpp v0.5.0 along, from which \`gguf-py\` and three programs are taken. Debian 12 has no reader of GGUF. Not tried:
readers of other languages' registries, and llama.cpp for browsers (wllama). Written on x86-64 Linux by
\`scripts/interop/interop.sh build/release/mtpgraft\`.

## Readers

${table(['reader', 'version', 'tells'], READERS.map(({ name, version, tells }) => [name, version, tells]))}

\`equal\`: what the reader tells of each file is what \`mtpgraft inspect --json --tensors --kv\` tells: all keys, with value and
type (of arrays, the count and the first 512 elements), and all tensors in order, with name, type, shape and offset. The
bytes that it gives, or else those at its offset, have the digest of \`mtpgraft checksum --algorithm sha256\`. \`+\` stands for a
graft onto target-12L-Q4_K_M; files that are not bundled are made by \`tests/support/make_fixtures.py\`.

${table(['file', 'files', 'keys', 'tensors', ...READERS.map(({ name }) => name)], readings)}

What differs are keys of the target, which are in the graft as they were:

${notes.map((note, i) => `${i + 1}. ${note}`).join('\n')}

## Manifests of llama-gguf-hash

What \`mtpgraft verify --strict -c\` says with a manifest that \`llama-gguf-hash --xxh64 --sha1 --sha256 --uuid\` wrote: of the file itself
(of a split model, those of all its files together), and of the target before the graft.

${table(['file', 'its own', "the target's"], manifests)}

## Runtimes

\`same text\`: greedy text, ${FEW.n_predict} tokens for each of ${FEW.prompts.length} prompts, is what the same runtime gives for the target alone; that of
llama.node also while it drafts. \`accepted\`: of the tokens that were drafted one at a time. llama.node is llama.cpp b10257.
llama.cpp v0.5.0 ran \`llama-speculative-simple\`, which counts in its own way. node-llama-cpp has no means to draft with a
head in the model. A head with random weights, as those of mtp-random-8L-F16 and moe-qwen35moe, must draft noise.

${table(['file', 'llama.node', 'accepted', 'llama.cpp v0.5.0: accepted', 'node-llama-cpp'], runs)}`);
process.exit();
