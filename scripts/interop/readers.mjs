// SPDX-License-Identifier: Apache-2.0
// The readers of GGUF that can be had from npm, in one form: read(path) resolves to
//   keys     {name: {value, type?, element_type?}}
//   tensors  [{name, type_id, shape, sha256?, and offset, from the start of the file, or data_offset, from that of the
//            data}]; null if it reads none
// What a reader does not tell is absent. It throws what it has against the file.

import { copyFileSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gguf } from '@huggingface/gguf';
import { ggufMetadata } from 'hyllama';
import { readGgufFileInfo } from 'node-llama-cpp';
import { execute, work } from '../../tests/e2e/e2e_tools.mjs';

const ggufJs = createRequire(import.meta.url)('gguf');

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const BUILD = here('../../build/interop');
export const tool = (name) => `${BUILD}/bin/${name}`;

const TYPES = ['u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'f32', 'bool', 'string', 'array', 'u64', 'i64', 'f64'];
const GGUF_JS_BYTES = 10 * 1024 * 1024;

// Readers list the counts of the header among the keys.
const COUNTS = ['version', 'tensor_count', 'kv_count', 'tensorCount'];
const withoutCounts = (metadata) => Object.entries(metadata).filter(([name]) => !COUNTS.includes(name));
const untyped = (entries) => Object.fromEntries(entries.map(([name, value]) => [name, { value }]));

// The distribution's NumPy serves only the distribution's interpreter, which need not be the first of PATH.
let pythonWithNumpy;
for (const python of ['python3', '/usr/bin/python3']) {
  pythonWithNumpy ??= (await execute(python, ['-c', 'import numpy'])).status === 0 ? python : undefined;
}

async function readInPython(...options) {
  const answer = await execute(pythonWithNumpy, ['-B', here('readers.py'), ...options]);
  if (answer.status !== 0) throw new Error(answer.stderr.trim().split('\n').at(-1));
  return JSON.parse(answer.stdout);
}

async function readWithHuggingFace(path) {
  const { typedMetadata, tensorInfos, tensorDataOffset } = await gguf(path, { allowLocalFile: true, typedMetadata: true });
  const keys = withoutCounts(typedMetadata).map(([name, { value, type, subType }]) => [
    name,
    { value, type: TYPES[type], ...(subType !== undefined && { element_type: TYPES[subType] }) },
  ]);
  const tensors = tensorInfos.map(({ name, shape, dtype, offset }) => ({
    name,
    shape,
    type_id: dtype,
    offset: Number(tensorDataOffset + offset),
  }));
  return { keys: Object.fromEntries(keys), tensors };
}

async function readWithHyllama(path) {
  const { buffer, byteOffset, length } = readFileSync(path);
  const { metadata, tensorInfos } = ggufMetadata(buffer.slice(byteOffset, byteOffset + length));
  const tensors = tensorInfos.map(({ name, shape, type, offset }) => ({
    name,
    shape,
    type_id: type,
    data_offset: Number(offset),
  }));
  return { keys: untyped(withoutCounts(metadata)), tensors };
}

function flat(object, prefix = '') {
  return Object.entries(object).flatMap(([name, value]) =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? flat(value, `${prefix}${name}.`)
      : [[prefix + name, value]],
  );
}

async function readWithNodeLlamaCpp(path) {
  const { metadata, tensorInfo } = await readGgufFileInfo(path, { logWarnings: false, spliceSplitFiles: false });
  const tensors = tensorInfo.map(({ name, dimensions, ggmlType, fileOffset }) => ({
    name,
    shape: dimensions,
    type_id: ggmlType,
    offset: Number(fileOffset),
  }));
  return { keys: untyped(flat(metadata)), tensors };
}

// It reads 10 MiB at a time and refuses a file that ends before, so it gets a longer copy.
async function readWithGgufJs(path) {
  const copy = join(work, 'padded.gguf');
  copyFileSync(path, copy);
  truncateSync(copy, Math.ceil(statSync(path).size / GGUF_JS_BYTES) * GGUF_JS_BYTES);
  const { error, metadata } = await ggufJs.parseRawMetadata(copy);
  if (error) throw error;
  return { keys: untyped(flat(metadata)), tensors: null };
}

/** All data, as llama-gguf-hash sees them. */
async function readWithGgufHash(path) {
  const answer = await execute(tool('llama-gguf-hash'), ['--sha256', path]);
  if (answer.status !== 0) throw new Error(answer.stderr.trim());
  const lines = answer.stdout.trim().split('\n').slice(0, -1);
  const tensors = lines.map((line) => ({ sha256: line.slice(10, 74), name: line.slice(76 + path.length + 1) }));
  return { keys: null, tensors };
}

export const READERS = [
  {
    name: 'ggml',
    version: 'llama.cpp v0.5.0, the functions of `gguf.h`, which load the data too',
    tells: 'keys with types, tensors, data',
    read: (path) => readInPython('ggml', tool('libggml-base.so'), path),
  },
  {
    name: 'gguf-py',
    version: 'llama.cpp v0.5.0, the Python package',
    tells: 'keys with types, tensors, data',
    read: (path) => readInPython('gguf-py', `${BUILD}/llama.cpp/gguf-py`, path),
  },
  {
    name: 'llama-gguf-hash',
    version: 'llama.cpp v0.5.0, `--sha256`',
    tells: "tensors' names, data",
    read: readWithGgufHash,
  },
  {
    name: '@huggingface/gguf',
    version: '0.4.6',
    tells: 'keys with types, tensors, offsets',
    read: readWithHuggingFace,
  },
  {
    name: 'node-llama-cpp',
    version: '3.22.1, `readGgufFileInfo`',
    tells: 'keys, tensors, offsets',
    read: readWithNodeLlamaCpp,
  },
  {
    name: 'hyllama',
    version: '0.2.2',
    tells: 'keys, tensors, offsets from the start of the data',
    read: readWithHyllama,
  },
  {
    name: 'gguf',
    version: '1.0.7 (gguf.js), given copies longer than 10 MiB, as it refuses shorter files',
    tells: 'keys',
    read: readWithGgufJs,
  },
];
