// SPDX-License-Identifier: Apache-2.0
// Heads that are written as a checkpoint has them, read by the reader of Hugging Face, and values that ggml reads.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSafetensorsMetadata } from '@huggingface/hub';
import { args, assertSameBytes, here, model, mtpgraft, TARGET, test, work, write } from './e2e_tools.mjs';

const GGML = here('node_modules/@node-llama-cpp/linux-x64/bins/linux-x64/libggml-base.so');
let count = 0;

/** The header, as parsed from ranges of the file in the place of a server's. */
async function readHeader(path) {
  const data = await readFile(path);
  const serve = async (url, init) => {
    const [, first, last] = /bytes=(\d+)-(\d+)/.exec(new Headers(init.headers).get('range')).map(Number);
    const part = data.subarray(first, last + 1);
    const headers = { etag: '"x"', 'content-range': `bytes ${first}-${last}/${data.length}` };
    return new Response(part, { status: 206, headers });
  };
  const where = { repo: 'owner/name', path: 'mtp.safetensors', fetch: serve };
  const { header } = await parseSafetensorsMetadata(where);
  return { header, data };
}

/** Name -> dtype, shape and bytes. */
async function readTensors(path) {
  const { header, data } = await readHeader(path);
  const start = 8 + Number(data.readBigUInt64LE(0));
  const { __metadata__: metadata, ...tensors } = header;
  assert.equal(metadata.format, 'pt');
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { dtype, shape, data_offsets: [first, last] }]) => [
      name,
      { dtype, shape, data: data.subarray(start + first, start + last).toString('base64') },
    ]),
  );
}

async function writeSafetensors(donor, ...flags) {
  const out = join(work, `mtp-${++count}.safetensors`);
  await mtpgraft('extract', donor, '-o', out, ...flags);
  return out;
}

test('extract -o mtp.safetensors: the tensors of the checkpoint that the GGUF was made of', async () => {
  const out = await writeSafetensors(await model('mtp-base-8L-BF16'));
  assert.deepEqual(await readTensors(out), await readTensors(`${args.models}/hf-base-8L/mtp.safetensors`));
  const target = await model(TARGET);
  const direct = await write('graft', target, await model('mtp-base-8L-BF16'), '--no-record');
  assertSameBytes(await write('graft', target, out, '--no-record'), direct);
});

const WIDTHS = { BF16: 2, F32: 4 };

/** The values of a tensor as numbers. */
function values({ dtype, data }) {
  const bytes = Buffer.from(data, 'base64');
  const count = bytes.length / WIDTHS[dtype];
  const wide = Buffer.alloc(4 * count);
  for (let i = 0; i < count; i++) {
    bytes.copy(wide, 4 * i + 4 - WIDTHS[dtype], i * WIDTHS[dtype], (i + 1) * WIDTHS[dtype]);
  }
  return Array.from({ length: count }, (_, i) => wide.readFloatLE(4 * i));
}

test('extract -o mtp.safetensors --head-type f32: ggml reads what is quantised', async () => {
  const flags = ['--head-type', 'f32', '--ggml', GGML];
  const rough = await readTensors(await writeSafetensors(await model('mtp-base-8L-Q4_K_M'), ...flags));
  const exact = await readTensors(`${args.models}/hf-base-8L/mtp.safetensors`);
  assert.deepEqual(Object.keys(rough).sort(), Object.keys(exact).sort());
  for (const [name, tensor] of Object.entries(exact)) {
    const expected = values(tensor);
    const found = values(rough[name]);
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    assert.ok(
      found.every((value, i) => Math.abs(value - expected[i]) <= 0.1 * largest),
      `${name}: not what was quantised`,
    );
  }
});
