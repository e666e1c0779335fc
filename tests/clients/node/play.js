// Plays steps with Mailchimp's own client: reads {"urls", "steps"} from standard input and prints
// one line of JSON for each step. Knows neither what a step means nor what it should give.
'use strict';

const zlib = require('node:zlib');
const tar = require('tar-stream');
const mailchimp = require('@mailchimp/mailchimp_marketing');

const kept = {};

// `getListMember` for `get_list_member`: the client's methods and options differ from the Python client's in case only.
const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());

function filled(value) {
  if (Array.isArray(value)) return value.map(filled);
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, filled(each)]));
  }
  if (typeof value !== 'string') return value;
  const found = (path) => path.split('.').reduce((place, name) => place[name], kept);
  const named = value.match(/^\{(\w+(?:\.\w+)*)\}$/);
  return named ? found(named[1]) : value.replace(/\{(\w+(?:\.\w+)*)\}/g, (_, path) => found(path));
}

async function called(step) {
  const [family, method] = step.call.split('.');
  const options = Object.entries(step.options).map(([name, value]) => [camel(name), value]);
  const args = filled(step.args).concat(options.length ? [Object.fromEntries(options)] : []);
  // `apiKey` undefined: the client sends no key at all.
  mailchimp.setConfig({ apiKey: step.key === null ? undefined : step.key, server: 'us1' });
  return mailchimp[family][camel(method)](...args);
}

async function happened(control, path, body) {
  const options = { method: 'POST', body: JSON.stringify(body), signal: AbortSignal.timeout(30000) };
  const answer = await fetch(control + path, options);
  if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  return null;
}

async function journeys(control, email) {
  const answer = await fetch(`${control}/journeys`, { signal: AbortSignal.timeout(30000) });
  const entries = await answer.json();
  return entries.filter((each) => each.email === email).map((each) => `${each.trigger} ${each.value}`);
}

async function results(id) {
  let batch = { status: 'pending' };
  for (let tries = 0; batch.status !== 'finished' && tries < 50; tries += 1) batch = await mailchimp.batches.status(id);
  const archive = await fetch(batch.response_body_url, { signal: AbortSignal.timeout(30000) });
  const extract = tar.extract();
  extract.end(zlib.gunzipSync(Buffer.from(await archive.arrayBuffer())));
  const found = [];
  for await (const entry of extract) {
    const parts = [];
    for await (const part of entry) parts.push(part);
    found.push(...JSON.parse(Buffer.concat(parts).toString() || '[]'));
  }
  return { batch, results: Object.fromEntries(found.map((each) => [each.operation_id, each])) };
}

async function played(step, control) {
  const [kind, path] = step.call.split(' ');
  try {
    if (kind === 'control') return { body: await happened(control, path, step.args[0]) };
    if (kind === 'journeys') return { body: await journeys(control, step.args[0]) };
    return { body: await (kind === 'results' ? results(filled(step.args)[0]) : called(step)) };
  } catch (error) {
    if (!error.response) throw error;
    return { refused: error.status, body: error.response.body };
  }
}

async function main() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const { urls, steps } = JSON.parse(Buffer.concat(chunks).toString());
  mailchimp.basePath = `${urls.mailchimp}/3.0`;
  mailchimp.timeout = 30000;
  kept.sandbox = urls;
  for (const step of steps) {
    const outcome = await played(step, urls.control);
    if (step.keep) kept[step.keep] = outcome.body;
    console.log(JSON.stringify(outcome));
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
