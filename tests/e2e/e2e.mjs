// SPDX-License-Identifier: Apache-2.0
// Grafts with mtpgraft, tries the results in llama.cpp, and reads them with a GGUF reader that shares no code with it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CANNOT_ROLL_BACK, INSTALL_COMMAND, missingPackages, reason, run } from './llama.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const USAGE = 'usage: node tests/e2e/e2e.mjs --mtpgraft PATH [--models DIR] [--filter REGEX]';
const { values: args } = parseArgs({
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

const MTPGRAFT = resolve(args.mtpgraft);
const PROMPTS = JSON.parse(readFileSync(join(args.models, 'prompts.json'), 'utf8'));
const JOBS = 2;

const work = mkdtempSync(join(tmpdir(), 'mtpgraft-e2e-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

// --- What is expected ------------------------------------------------------------------------------------------------

const TARGET = 'target-12L-Q4_K_M';

// accepted / drafted at n_max 1 and 2, from the table in tests/models/README.md.
const ACCEPTANCE = {
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

function once(make) {
  const made = new Map();
  return (key) => {
    if (!made.has(key)) made.set(key, make(key));
    return made.get(key);
  };
}

function execute(command, options) {
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

const splitFixtures = once(async () => {
  const script = here('../support/make_fixtures.py');
  const made = await execute('python3', [script, '--models', args.models, '-o', work, 'split']);
  assert.equal(made.status, 0, made.text);
});

/** The path of a bundled model, or else of a fixture. */
async function model(name) {
  const bundled = join(args.models, `${name}.gguf`);
  return existsSync(bundled) ? bundled : fixture(name);
}

let grafts = 0;

/** Grafts, verifies, checks the layout; returns the path of the output. */
async function graft(target, donor, ...flags) {
  const out = join(work, `graft-${++grafts}.gguf`);
  const grafted = await execute(MTPGRAFT, ['graft', target, donor, '-o', out, ...flags]);
  assert.equal(grafted.status, 0, `exit ${grafted.status}: ${grafted.text}`);
  const verified = await execute(MTPGRAFT, ['verify', out, '--target', target, '--donor', donor]);
  assert.equal(verified.status, 0, `exit ${verified.status}: ${verified.text}`);
  await checkLayout(target, donor, out);
  return out;
}

// --- The independent reader ------------------------------------------------------------------------------------------

const F32 = 0;
const F16 = 1;
const BF16 = 30;

// type: [weights in a block, bytes of a block], for the types in the models of this test.
const BLOCKS = { 0: [1, 4], 1: [1, 2], 8: [32, 34], 12: [256, 144], 13: [256, 176], 14: [256, 210], 30: [1, 2] };

async function read(path) {
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

const blockOf = (name) => Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1);
const padded = (offset, alignment) => Math.ceil(offset / alignment) * alignment;

/** The donor's head as the output must hold it: renamed, its norms in F32 (llama.cpp aborts on other types). */
function expectedHead(donor, trunkBlocks) {
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

function expectedKeys(target, donor, headBlocks) {
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

async function checkLayout(targetPath, donorPath, outPath) {
  const [target, donor, out] = await Promise.all([targetPath, donorPath, outPath].map(read));

  const { [RECORD]: record, ...keys } = out.keys;
  assert.ok(record, `${RECORD} is missing`);
  assert.ok(JSON.parse(record.value) instanceof Object, `${RECORD} is no JSON object`);
  const expected = expectedKeys(target, donor, donor.headBlocks || 1);
  assert.deepEqual(Object.keys(keys), Object.keys(expected));
  for (const [name, value] of Object.entries(expected)) assert.deepEqual({ [name]: keys[name] }, { [name]: value });

  const body = target.tensors.filter(({ name }) => blockOf(name) < target.trunkBlocks);
  const tensors = [...body, ...expectedHead(donor, target.trunkBlocks)];
  assert.deepEqual(out.tensors.map(({ name }) => name), tensors.map(({ name }) => name));
  let offset = 0;
  tensors.forEach((tensor, i) => {
    const { data, ...info } = out.tensors[i];
    const { data: expectedData, ...expectedInfo } = tensor;
    assert.deepEqual(info, { ...expectedInfo, offset });
    assert.ok(data.equals(expectedData), `${info.name}: the bytes differ`);
    offset = padded(offset + data.length, target.alignment);
  });
  body.forEach((tensor, i) => assert.equal(out.tensors[i].offset, tensor.offset, `${tensor.name} has moved`));
  assert.equal(out.size, out.dataOffset + offset, 'size of the file');
}

// --- llama.cpp -------------------------------------------------------------------------------------------------------

/**
 * Generates with flash attention off: with it, b10257 rounds differently for one token than for the batch that verifies
 * a draft, and greedy text can part where two tokens are nearly equally likely, whichever head drafts.
 */
async function generate(path, n_max, { prompts = PROMPTS, n_predict = 96 } = {}) {
  const result = await run({ model: path, prompts, n_predict, n_max, flash_attn: 'off' });
  assert.equal(result.error, null, `llama.cpp: ${reason(result)}\n${result.log.slice(-2000)}`);
  assert.equal(result.runs.length, prompts.length);
  const sum = (field) => result.runs.reduce((total, run) => total + run[field], 0);
  return {
    texts: result.runs.map(({ text }) => text),
    tokens: sum('tokens'),
    drafted: sum('drafted'),
    accepted: sum('accepted'),
    rate: sum('accepted') / sum('drafted'),
  };
}

/** What an untouched model generates, made once for all tests. */
const baseline = once((path) => generate(path, 0));

function assertSameText(actual, expected) {
  assert.deepEqual(actual.texts, expected.texts);
  assert.equal(actual.tokens, expected.tokens);
}

/** Compares a graft with the ungrafted model, without drafting and at each n_max; checkRate judges the acceptance. */
async function checkGenerates(out, ungrafted, nMax, checkRate) {
  const expected = await baseline(ungrafted);
  assertSameText(await generate(out, 0), expected);
  const figures = [];
  for (const n of nMax) {
    const drafting = await generate(out, n);
    assertSameText(drafting, expected);
    assert.ok(drafting.drafted > 0, 'nothing was drafted');
    const figure = `n=${n} ${drafting.accepted}/${drafting.drafted} = ${drafting.rate.toFixed(3)}`;
    checkRate(drafting.rate, n, figure);
    figures.push(figure);
  }
  return figures.join(', ');
}

const asIn = (head) => (rate, n, figure) => {
  const expected = ACCEPTANCE[head][n - 1];
  assert.ok(Math.abs(rate - expected) <= ACCEPTANCE_TOLERANCE, `${figure}, expected ${expected.toFixed(3)}`);
};

const asNoise = (rate, n, figure) => assert.ok(rate < RANDOM_ACCEPTANCE_LIMIT, figure);

// --- Tests -----------------------------------------------------------------------------------------------------------

const tests = [];
const test = (name, body) => tests.push({ name, body });

for (const target of [TARGET, 'target-recurrent-layers']) {
  test(`${target}: generates`, async () => {
    const { texts, tokens } = await baseline(await model(target));
    assert.ok(texts.every((text) => text.trim().length > 0), JSON.stringify(texts));
    return `${tokens} tokens`;
  });

  for (const head of Object.keys(ACCEPTANCE)) {
    test(`${target} + ${head}: same text, drafts`, async () => {
      const path = await model(target);
      return checkGenerates(await graft(path, await model(head)), path, [1, 2], asIn(head));
    });
  }

  test(`${target} + mtp-random-8L-F16: same text, drafts noise`, async () => {
    const path = await model(target);
    return checkGenerates(await graft(path, await model('mtp-random-8L-F16')), path, [1, 2], asNoise);
  });
}

// The text must be the ungrafted model's, and each draft that of the same graft in one file.
for (const [name, fixtureName, ...flags] of [
  ['a split model', 'four-Q4_K_M-00001-of-00004'],
  ['a split model whose first file has no tensors', 'bare-00001-of-00003'],
  ['a split model, --merge', 'four-Q4_K_M-00001-of-00004', '--merge'],
  ['--split-head', null, '--split-head'],
]) {
  test(`${name}: drafts as the same graft in one file`, async () => {
    await splitFixtures();
    const path = await model(TARGET);
    const target = fixtureName ? join(work, 'split', `${fixtureName}.gguf`) : path;
    const donor = await model('mtp-base-8L-Q8_0');
    const prefix = join(work, `set-${++grafts}`);
    const grafted = await execute(MTPGRAFT, ['graft', '--json', target, donor, '-o', `${prefix}.gguf`, ...flags]);
    assert.equal(grafted.status, 0, grafted.text);
    const out = JSON.parse(grafted.stdout).result.output;
    const one = await generate(await graft(path, donor), 2);
    const set = await generate(out, 2);
    assertSameText(set, await baseline(path));
    assert.deepEqual([set.drafted, set.accepted], [one.drafted, one.accepted]);
    return `${JSON.parse(grafted.stdout).result.outputs.length} files, ${set.accepted}/${set.drafted}`;
  });
}

test(`${TARGET}: cannot draft`, async () => {
  const result = await run({ model: await model(TARGET), prompts: PROMPTS.slice(0, 1), n_predict: 4, n_max: 1 });
  assert.notEqual(result.error, null);
  assert.match(reason(result), /context type MTP requested but model doesn't contain MTP layers/);
});

test('target-placeholder: refused before, drafts after', async () => {
  const path = await model('target-placeholder');
  const before = await run({ model: path, prompts: PROMPTS.slice(0, 1), n_predict: 4 });
  assert.equal(before.loaded, false);
  assert.equal(reason(before), "missing tensor 'blk.12.attn_norm.weight'");
  // It cannot generate, but its trunk is the bundled target's.
  const head = 'mtp-base-8L-Q8_0';
  return checkGenerates(await graft(path, await model(head)), await model(TARGET), [1], asIn(head));
});

for (const target of ['target-head-count-kv-array', 'target-align-64']) {
  test(`${target}: same text, drafts`, async () => {
    const path = await model(target);
    const head = 'mtp-base-8L-Q8_0';
    return checkGenerates(await graft(path, await model(head)), path, [1], asIn(head));
  });
}

for (const donor of ['donor-norms-f16', 'donor-norms-bf16']) {
  test(`${donor}: norms become F32, drafts`, async () => {
    const path = await model(TARGET);
    return checkGenerates(await graft(path, await model(donor)), path, [1], asIn('mtp-base-8L-BF16'));
  });
}

test('--replace: the right head in place of a random one', async () => {
  const path = await model(TARGET);
  const wrong = await graft(path, await model('mtp-random-8L-F16'));
  const head = 'mtp-base-8L-BF16';
  const right = await graft(wrong, await model(head), '--replace');
  return checkGenerates(right, path, [1], asIn(head));
});

test('target-with-head: refused without --replace, drafts after', async () => {
  const path = await model('target-with-head');
  const head = 'mtp-base-8L-Q4_K_M';
  const donor = await model(head);
  const out = join(work, 'refused.gguf');
  const refused = await execute(MTPGRAFT, ['graft', path, donor, '-o', out]);
  assert.notEqual(refused.status, 0);
  assert.equal(existsSync(out), false, 'a refused graft left a file');
  return checkGenerates(await graft(path, donor, '--replace'), path, [1], asIn(head));
});

// Random weights: no acceptance to speak of, but llama.cpp knows these architectures' heads.

const FEW = { prompts: PROMPTS.slice(0, 2), n_predict: 24 };

for (const donor of ['moe-qwen35moe-donor', 'moe-qwen35moe-donor-fused']) {
  test(`moe-qwen35moe-target + ${donor}: same text, drafts`, async () => {
    const path = await model('moe-qwen35moe-target');
    const out = await graft(path, await model(donor));
    const expected = await generate(path, 0, FEW);
    assertSameText(await generate(out, 0, FEW), expected);
    const drafting = await generate(out, 1, FEW);
    assertSameText(drafting, expected);
    assert.ok(drafting.drafted > 0, 'nothing was drafted');
    return `${drafting.drafted} drafted`;
  });
}

// llama.node drafts only where llama.cpp can roll back recurrent state, which b10257 cannot for qwen3next (llama-server
// drafts all the same, from copies of the state). Loading for MTP still reads every tensor of the head, and beside a
// trunk that can be rolled back, of the same width and vocabulary, the head drafts.
test('moe-qwen3next-target + moe-qwen3next-donor: same text, loads the head, drafts for another trunk', async () => {
  const path = await model('moe-qwen3next-target');
  const out = await graft(path, await model('moe-qwen3next-donor'));
  assertSameText(await generate(out, 0, FEW), await generate(path, 0, FEW));

  const drafting = await run({ model: out, ...FEW, n_max: 1 });
  assert.equal(drafting.loaded, true, reason(drafting));
  assert.match(drafting.error, CANNOT_ROLL_BACK);
  const { tensors, trunkBlocks } = await read(out);
  const head = tensors.filter(({ name }) => blockOf(name) >= trunkBlocks);
  const unread = head.filter(({ name }) => !drafting.log.includes(`loading tensor ${name}\n`));
  assert.deepEqual(unread.map(({ name }) => name), []);

  const trunk = await model('moe-qwen35moe-target');
  const beside = await run({ model: trunk, draft_model: out, ...FEW, n_max: 1, flash_attn: 'off' });
  assert.equal(beside.error, null, reason(beside));
  const drafted = beside.runs.reduce((sum, one) => sum + one.drafted, 0);
  assert.ok(drafted > 0, 'nothing was drafted');
  return `${head.length} tensors, ${drafted} drafted`;
});

test('scripts/acceptance.mjs: a graft, and a model without a head', async () => {
  const script = (...options) => execute(process.execPath, [here('../../scripts/acceptance.mjs'), ...options]);
  const path = await model(TARGET);
  const out = await graft(path, await model('mtp-base-8L-Q8_0'));
  const few = ['--n-predict', '24', '--n-max', '1', '--prompts', join(args.models, 'prompts.json')];
  const measured = await script(out, ...few, '--json');
  assert.equal(measured.status, 0, measured.text);
  const { drafting } = JSON.parse(measured.stdout);
  assert.ok(drafting[0].rate > 0.5, measured.stdout);
  const headless = await script(path, ...few);
  assert.equal(headless.status, 1, headless.text);
  assert.match(headless.stderr, /no MTP head/);
});

// --- Running them ----------------------------------------------------------------------------------------------------

const filter = new RegExp(args.filter);
const selected = tests.filter(({ name }) => filter.test(name));
let passed = 0;
let failed = 0;

async function worker(queue) {
  for (let next = queue.shift(); next; next = queue.shift()) {
    const start = performance.now();
    const seconds = () => `${((performance.now() - start) / 1000).toFixed(1)} s`;
    try {
      const note = await next.body();
      passed += 1;
      console.log(`ok      ${next.name} (${[note, seconds()].filter(Boolean).join('; ')})`);
    } catch (error) {
      failed += 1;
      const text = error instanceof assert.AssertionError ? error.message : error.stack;
      console.log(`not ok  ${next.name} (${seconds()})\n${text.trimEnd().replace(/^/gm, '        ')}`);
    }
  }
}

await Promise.all(Array.from({ length: JOBS }, () => worker(selected)));
const skipped = tests.length - passed - failed;
console.log(`e2e: ${passed} passed, ${failed} failed, ${skipped} skipped`);
// A filter that selects nothing must not look like success.
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
