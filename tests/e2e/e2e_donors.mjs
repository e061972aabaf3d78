// SPDX-License-Identifier: Apache-2.0
// Donors that are no GGUF, and heads that get another type.

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  args,
  asIn,
  assertSameBytes,
  baseline,
  checkDrafts,
  checkLayout,
  here,
  model,
  mtpgraft,
  TARGET,
  test,
  write,
} from './e2e_tools.mjs';

const HEAD = 'mtp-base-8L-BF16';
const CHECKPOINT = join(args.models, 'hf-base-8L');

// The package names its folders after the processors that they are built for.
const BUILDS = here('node_modules/@node-llama-cpp/linux-x64/bins');

function findGgml() {
  const build = readdirSync(BUILDS).find((name) => existsSync(join(BUILDS, name, 'libggml-base.so')));
  assert.ok(build, `no libggml-base.so in ${BUILDS}`);
  return join(BUILDS, build);
}

for (const donor of [CHECKPOINT, join(CHECKPOINT, 'mtp.safetensors')]) {
  test(`${donor.slice(args.models.length + 1)}: the same bytes as from the converted GGUF`, async () => {
    const target = await model(TARGET);
    const expected = await write('graft', target, await model(HEAD), '--no-record');
    assertSameBytes(await write('graft', target, donor, '--no-record'), expected);
  });
}

/** Grafts, with what the flags say of the head; compares the layout with that of a graft from likeDonor. */
async function graftAs(donor, flags, likeDonor, layout) {
  const target = await model(TARGET);
  const out = await write('graft', target, donor, ...flags);
  await mtpgraft('verify', out, '--target', target, '--donor', donor, ...flags);
  await checkLayout(target, await model(likeDonor), out, layout);
  return out;
}

const drafts = async (out) => checkDrafts(out, await baseline(await model(TARGET)), [1, 2], asIn(HEAD));

test('hf-base-8L: same text, drafts', async () => drafts(await graftAs(CHECKPOINT, [], HEAD)));

test('--head-type q8_0: from GGUF and safetensors as llama.cpp converts, same text, drafts', async () => {
  const flags = ['--head-type', 'q8_0'];
  await graftAs(await model(HEAD), flags, 'mtp-base-8L-Q8_0');
  return drafts(await graftAs(CHECKPOINT, flags, 'mtp-base-8L-Q8_0'));
});

// The bytes of these types are compared with ggml's by the unit tests.
const CONVERSIONS = [
  { type: 'f16', matrixType: 1, ggml: false },
  { type: 'q4_k', matrixType: 12, ggml: true },
  { type: 'q6_k', matrixType: 14, ggml: true },
];

for (const { type, matrixType, ggml } of CONVERSIONS) {
  test(`--head-type ${type}: same text, drafts`, async () => {
    const flags = ['--head-type', type, ...(ggml ? ['--ggml', findGgml()] : [])];
    return drafts(await graftAs(await model(HEAD), flags, HEAD, { matrixType }));
  });
}
