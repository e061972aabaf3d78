// SPDX-License-Identifier: Apache-2.0
// Heads that stay in a file of their own, as draft models beside a target without a head.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import {
  args,
  asIn,
  assertSameBytes,
  baseline,
  blockOf,
  checkDrafts,
  checkKeys,
  checkTensors,
  expectedHead,
  expectedKeys,
  graft,
  model,
  read,
  TARGET,
  test,
  write,
} from './e2e_tools.mjs';

const HEAD = 'mtp-base-8L-BF16';

/** Checks that a sidecar has the donor's head, and its keys and other tensors from modelPath. */
async function checkSidecar(path, modelPath, donorPath) {
  const [out, source, donor] = await Promise.all([path, modelPath, donorPath].map(read));
  checkKeys(out.keys, expectedKeys(source, donor, donor.headBlocks));
  const shared = source.tensors.filter(({ name }) => blockOf(name) < 0);
  assert.deepEqual(shared.map(({ name }) => name).sort(), ['output.weight', 'output_norm.weight', 'token_embd.weight']);
  checkTensors(out, [...shared, ...expectedHead(donor, source.trunkBlocks)], source.alignment);
}

async function draftsBeside(sidecar) {
  const target = await model(TARGET);
  return checkDrafts(target, await baseline(target), [1, 2], asIn(HEAD), { draft_model: sidecar });
}

test("extract: the donor's sidecar drafts beside the target", async () => {
  const donor = await model(HEAD);
  const sidecar = await write('extract', donor);
  await checkSidecar(sidecar, donor, donor);
  return draftsBeside(sidecar);
});

test('extract --for: from a checkpoint the same sidecar as from the graft, drafts beside the target', async () => {
  const target = await model(TARGET);
  const donor = await model(HEAD);
  const sidecar = await write('extract', join(args.models, 'hf-base-8L'), '--for', target);
  await checkSidecar(sidecar, target, donor);
  assertSameBytes(await write('extract', await graft(target, donor)), sidecar);
  return draftsBeside(sidecar);
});
