// SPDX-License-Identifier: Apache-2.0
// What the end-to-end tests share: running mtpgraft, checking its outputs with a GGUF reader that shares no code with
// it, and generating with llama.cpp.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { INSTALL_COMMAND, missingPackages, reason, run } from './llama.mjs';

export const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const USAGE = 'usage: node tests/e2e/e2e.mjs --mtpgraft PATH [--models DIR] [--filter REGEX]';
export const { values: args } = parseArgs({
  options: {
    mtpgraft: { type: 'string' },
    models: { type: 'string', default: here('../models') },
    filter: { type: 'string', default: '' },
    help: { type: 'boolean' },
  },
});
if (args.help || !args.mtpgraft) {
  console.error(USAGE);
  process.exit(args.help ? 0 : 2);
}
if (missingPackages().length > 0) {
  console.error(`not installed: ${missingPackages().join(', ')}; run: ${INSTALL_COMMAND}`);
  process.exit(2);
}
const { gguf } = await import('@huggingface/gguf');

export const MTPGRAFT = resolve(args.mtpgraft);
export const PROMPTS = JSON.parse(readFileSync(join(args.models, 'prompts.json'), 'utf8'));

export const work = mkdtempSync(join(tmpdir(), 'mtpgraft-e2e-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

// --- What is expected ------------------------------------------------------------------------------------------------

export const TARGET = 'target-12L-Q4_K_M';

// accepted / drafted at n_max 1 and 2, from the table in tests/models/README.md.
export const ACCEPTANCE = {
  'mtp-base-8L-BF16': [241 / 264, 325 / 364],
  'mtp-base-8L-Q8_0': [242 / 263, 324 / 364],
  'mtp-base-8L-Q4_K_M': [240 / 263, 323 / 366],
  'head-only-base-8L-BF16': [241 / 264, 325 / 364],
};
const ACCEPTANCE_TOLERANCE = 0.05;
const RANDOM_ACCEPTANCE_LIMIT = 0.05;

// What each per-layer array must say about the head's block, from the donor's metadata.
const HEAD_ENTRIES = {
  'attention.recurrent_layers': () => false,
  'attention.head_count_kv': (donor, arch) => donor[`${arch}.attention.head_count_kv`].value,
};

const RECORD = 'mtpgraft.record';

// --- Files -----------------------------------------------------------------------------------------------------------

export function once(make) {
  const made = new Map();
  return (key) => {
    if (!made.has(key)) made.set(key, make(key));
    return made.get(key);
  };
}

export function execute(command, options) {
  return new Promise((resolve) => {
    execFile(command, options, { encoding: 'utf8', maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      const status = error ? (error.code ?? error.signal) : 0;
      resolve({ status, stdout, stderr, text: `${basename(command)} ${options.join(' ')}\n${stdout}${stderr}` });
    });
  });
}

const fixture = once(async (name) => {
  const script = here('../support/make_fixtures.py');
  const made = await execute('python3', [script, '--models', args.models, '-o', work, name]);
  assert.equal(made.status, 0, made.text);
  return join(work, `${name}.gguf`);
});

/** The path of a bundled model, or else of a fixture. */
export async function model(name) {
  const bundled = join(args.models, `${name}.gguf`);
  return existsSync(bundled) ? bundled : fixture(name);
}

/** Runs a command that must succeed. */
export async function mtpgraft(...options) {
  const { status, text } = await execute(MTPGRAFT, options);
  assert.equal(status, 0, `exit ${status}: ${text}`);
}

let outputs = 0;

/** Runs a command that writes a file; returns its path. */
export async function write(command, ...options) {
  const out = join(work, `${command}-${++outputs}.gguf`);
  await mtpgraft(command, ...options, '-o', out);
  return out;
}

/** Grafts, verifies, checks the layout; returns the path of the output. */
export async function graft(target, donor, ...flags) {
  const out = await write('graft', target, donor, ...flags);
  await mtpgraft('verify', out, '--target', target, '--donor', donor);
  await checkLayout(target, donor, out);
  return out;
}

export function assertSameBytes(path, expectedPath) {
  const equal = readFileSync(path).equals(readFileSync(expectedPath));
  assert.ok(equal, `${basename(path)} is not ${basename(expectedPath)}`);
}

// --- The independent reader ------------------------------------------------------------------------------------------

const F32 = 0;
const F16 = 1;
const BF16 = 30;

// type: [weights in a block, bytes of a block], for the types in the models of this test.
const BLOCKS = { 0: [1, 4], 1: [1, 2], 8: [32, 34], 12: [256, 144], 13: [256, 176], 14: [256, 210], 30: [1, 2] };

export async function read(path) {
  const { metadata, typedMetadata, tensorInfos, tensorDataOffset } = await gguf(path, {
    allowLocalFile: true,
    typedMetadata: true,
  });
  const bytes = readFileSync(path);
  const tensors = tensorInfos.map(({ name, shape, dtype, offset }) => {
    assert.ok(dtype in BLOCKS, `${basename(path)}: ${name} has type ${dtype}`);
    const [weights, size] = BLOCKS[dtype];
    const length = (shape.reduce((product, n) => product * Number(n), 1) / weights) * size;
    const start = Number(tensorDataOffset + offset);
    assert.ok(start + length <= bytes.length, `${basename(path)}: ${name} ends past the end of the file`);
    return { name, shape, type: dtype, offset: Number(offset), data: bytes.subarray(start, start + length) };
  });

  const { version, tensor_count, kv_count, ...keys } = typedMetadata;
  // The reader keeps one of two equal keys.
  assert.equal(Number(kv_count.value), Object.keys(keys).length, `${basename(path)}: duplicate keys`);
  const arch = metadata['general.architecture'];
  const headBlocks = metadata[`${arch}.nextn_predict_layers`] ?? 0;
  return {
    arch,
    keys,
    tensors,
    headBlocks,
    trunkBlocks: metadata[`${arch}.block_count`] - headBlocks,
    alignment: metadata['general.alignment'] ?? 32,
    dataOffset: Number(tensorDataOffset),
    size: bytes.length,
  };
}

export const blockOf = (name) => Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1);
const padded = (offset, alignment) => Math.ceil(offset / alignment) * alignment;

/** The donor's head as the output must hold it: renamed, its norms in F32 (llama.cpp aborts on other types). */
export function expectedHead(donor, trunkBlocks) {
  const blocks = donor.tensors.map(({ name }) => blockOf(name)).filter((block) => block >= 0);
  // A donor without hyper-parameters holds nothing but its head.
  const firstBlock = donor.headBlocks > 0 ? donor.trunkBlocks : Math.min(...blocks);
  return donor.tensors
    .filter(({ name }) => blockOf(name) >= firstBlock)
    .map(({ name, shape, type, data }) => {
      const renamed = name.replace(/^blk\.\d+/, `blk.${blockOf(name) - firstBlock + trunkBlocks}`);
      const widen = name.endsWith('norm.weight') && (type === F16 || type === BF16);
      return { name: renamed, shape, type: widen ? F32 : type, data: widen ? widened(type, data) : data };
    });
}

function widened(type, data) {
  const out = Buffer.alloc(data.length * 2);
  for (let i = 0; i < data.length; i += 2) {
    const bits = data.readUInt16LE(i);
    if (type === BF16) out.writeUInt32LE(bits * 65536, i * 2);
    else out.writeFloatLE(halfToFloat(bits), i * 2);
  }
  return out;
}

function halfToFloat(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

export function expectedKeys(target, donor, headBlocks) {
  const { arch, trunkBlocks } = target;
  const keys = structuredClone(target.keys);
  delete keys[RECORD];
  const U32 = keys[`${arch}.block_count`].type;
  keys[`${arch}.block_count`].value = trunkBlocks + headBlocks;
  keys[`${arch}.nextn_predict_layers`] = { value: headBlocks, type: U32 };
  for (const [name, entry] of Object.entries(HEAD_ENTRIES)) {
    const array = keys[`${arch}.${name}`];
    if (Array.isArray(array?.value) && array.value.length === trunkBlocks) array.value.push(entry(donor.keys, arch));
  }
  return keys;
}

export function checkKeys(keys, expected) {
  assert.deepEqual(Object.keys(keys), Object.keys(expected));
  for (const [name, value] of Object.entries(expected)) assert.deepEqual({ [name]: keys[name] }, { [name]: value });
}

/** Checks that the file has these tensors, one behind the other; of those without data, only what is told of them. */
export function checkTensors(out, tensors, alignment) {
  assert.deepEqual(out.tensors.map(({ name }) => name), tensors.map(({ name }) => name));
  let offset = 0;
  tensors.forEach((tensor, i) => {
    const { data, ...info } = out.tensors[i];
    const { data: expectedData, ...expectedInfo } = tensor;
    assert.deepEqual(info, { ...expectedInfo, offset });
    if (expectedData) assert.ok(data.equals(expectedData), `${info.name}: the bytes differ`);
    offset = padded(offset + data.length, alignment);
  });
  assert.equal(out.size, out.dataOffset + offset, 'size of the file');
}

/** matrixType is the type that the head's matrices were converted to, editedKeys are those of --set and --yarn. */
export async function checkLayout(targetPath, donorPath, outPath, { matrixType, editedKeys } = {}) {
  const [target, donor, out] = await Promise.all([targetPath, donorPath, outPath].map(read));

  const { [RECORD]: record, ...keys } = out.keys;
  assert.ok(record, `${RECORD} is missing`);
  assert.ok(JSON.parse(record.value) instanceof Object, `${RECORD} is no JSON object`);
  checkKeys(keys, { ...expectedKeys(target, donor, donor.headBlocks || 1), ...editedKeys });

  const body = target.tensors.filter(({ name }) => blockOf(name) < target.trunkBlocks);
  const head = expectedHead(donor, target.trunkBlocks).map((tensor) =>
    matrixType !== undefined && tensor.shape.length > 1 ? { ...tensor, type: matrixType, data: undefined } : tensor,
  );
  checkTensors(out, [...body, ...head], target.alignment);
  body.forEach((tensor, i) => assert.equal(out.tensors[i].offset, tensor.offset, `${tensor.name} has moved`));
}

// --- llama.cpp -------------------------------------------------------------------------------------------------------

/**
 * Generates with flash attention off: with it, b10257 rounds differently for one token than for the batch that verifies
 * a draft, and greedy text can part where two tokens are nearly equally likely, whichever head drafts.
 */
export async function generate(path, n_max, { prompts = PROMPTS, n_predict = 96, ...options } = {}) {
  const result = await run({ model: path, prompts, n_predict, n_max, flash_attn: 'off', ...options });
  assert.equal(result.error, null, `llama.cpp: ${reason(result)}\n${result.log.slice(-2000)}`);
  assert.equal(result.runs.length, prompts.length);
  const sum = (field) => result.runs.reduce((total, run) => total + run[field], 0);
  return {
    texts: result.runs.map(({ text }) => text),
    tokens: sum('tokens'),
    drafted: sum('drafted'),
    accepted: sum('accepted'),
    rate: sum('accepted') / sum('drafted'),
    log: result.log,
  };
}

/** What an untouched model generates, made once for all tests. */
export const baseline = once((path) => generate(path, 0));

export function assertSameText(actual, expected) {
  assert.deepEqual(actual.texts, expected.texts);
  assert.equal(actual.tokens, expected.tokens);
}

/** Compares a graft with the ungrafted model, without drafting and at each n_max; checkRate judges the acceptance. */
export async function checkGenerates(out, ungrafted, nMax, checkRate) {
  const expected = await baseline(ungrafted);
  assertSameText(await generate(out, 0), expected);
  return checkDrafts(out, expected, nMax, checkRate);
}

/** The part of checkGenerates with drafting; the options are those of generate. */
export async function checkDrafts(path, expected, nMax, checkRate, options) {
  const figures = [];
  for (const n of nMax) {
    const drafting = await generate(path, n, options);
    assertSameText(drafting, expected);
    assert.ok(drafting.drafted > 0, 'nothing was drafted');
    const figure = `n=${n} ${drafting.accepted}/${drafting.drafted} = ${drafting.rate.toFixed(3)}`;
    checkRate(drafting.rate, n, figure);
    figures.push(figure);
  }
  return figures.join(', ');
}

export const asIn = (head) => (rate, n, figure) => {
  const expected = ACCEPTANCE[head][n - 1];
  assert.ok(Math.abs(rate - expected) <= ACCEPTANCE_TOLERANCE, `${figure}, expected ${expected.toFixed(3)}`);
};

export const asNoise = (rate, n, figure) => assert.ok(rate < RANDOM_ACCEPTANCE_LIMIT, figure);

// --- Tests -----------------------------------------------------------------------------------------------------------

export const tests = [];
export const test = (name, body) => tests.push({ name, body });
