// SPDX-License-Identifier: Apache-2.0
// A donor on the Hugging Face Hub, for which a small server stands in.

import assert from 'node:assert/strict';
import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, join } from 'node:path';
import { PROMPTS, TARGET, args, asIn, assertSameBytes, checkGenerates, model, test, work, write } from './e2e_tools.mjs';
import { reason, run } from './llama.mjs';

const FOLDER = join(args.models, 'hf-base-8L');
const REPOSITORY = `lab/${basename(FOLDER)}`;
const COMMIT = '0123456789abcdef0123456789abcdef01234567';

function answer(request, response) {
  const path = request.url.split('?')[0];
  if (path === `/api/models/${REPOSITORY}/revision/main`) {
    const siblings = readdirSync(FOLDER).map((name) => ({ rfilename: name, size: statSync(join(FOLDER, name)).size }));
    return response.end(JSON.stringify({ id: REPOSITORY, sha: COMMIT, siblings }));
  }
  const file = join(FOLDER, basename(path));
  if (path !== `/${REPOSITORY}/resolve/${COMMIT}/${basename(path)}` || !existsSync(file)) {
    return response.writeHead(404).end();
  }
  const { size } = statSync(file);
  const wanted = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  if (!wanted) return createReadStream(file).pipe(response);
  const [start, end] = [Number(wanted[1]), Math.min(Number(wanted[2]), size - 1)];
  response.writeHead(206, {
    'Content-Range': `bytes ${start}-${end}/${size}`,
    'Content-Length': end - start + 1,
    ETag: '"one"',
  });
  return createReadStream(file, { start, end }).pipe(response);
}

async function hub() {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  server.unref();
  process.env.HF_ENDPOINT = `http://127.0.0.1:${server.address().port}`;
  process.env.XDG_CACHE_HOME = join(work, 'cache');
  return `hf://${REPOSITORY}`;
}

test('target-placeholder + hf://: refused before, the bytes of the downloaded checkpoint, drafts', async () => {
  const path = await model('target-placeholder');
  const before = await run({ model: path, prompts: PROMPTS.slice(0, 1), n_predict: 4 });
  assert.equal(reason(before), "missing tensor 'blk.12.attn_norm.weight'");
  const donor = await hub();
  const out = await write('graft', path, donor);
  // The record of what came from the hub has the commit, too.
  assertSameBytes(await write('graft', path, donor, '--no-record'), await write('graft', path, FOLDER, '--no-record'));
  return checkGenerates(out, await model(TARGET), [1], asIn('mtp-base-8L-BF16'));
});
