// Runs the npm clients `ollama`, `openai` and `@anthropic-ai/sdk`, unchanged, against a bridge and checks their results.
//   npm ci --prefix clients && node clients/check.mjs [http://127.0.0.1:11400]
// The fleet must have MODEL (default deepseek-r1:7b, must support tools) and EMBED_MODEL (default nomic-embed-text).
import assert from 'node:assert/strict';
import { Ollama } from 'ollama';
import OpenAI from 'openai';
import Anthropic from '@anthropic-ai/sdk';

const url = (process.argv[2] ?? 'http://127.0.0.1:11400').replace(/\/$/, '');
const model = process.env.MODEL ?? 'deepseek-r1:7b';
const embedModel = process.env.EMBED_MODEL ?? 'nomic-embed-text';
const question = [{ role: 'user', content: 'Why is the sky blue?' }];
const toolQuestion = [{ role: 'user', content: 'Please call get_weather for Berlin.' }];
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const tools = [{ type: 'function', function: { name: 'get_weather', description: 'The weather in a city', parameters } }];

// With PROGRESS=1 the clients request heartbeats while they wait for a stream.
const headers = process.env.PROGRESS === '1' ? { 'X-Bridge-Progress': '1' } : {};

const ollama = new Ollama({ host: url, headers });
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'any', maxRetries: 0, defaultHeaders: headers });
const anthropic = new Anthropic({ baseURL: url, apiKey: 'any', maxRetries: 0, defaultHeaders: headers });

let passed = 0;
let failed = 0;
async function check(name, run) {
  try {
    await run();
    passed++;
    console.log(`ok      ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${name}: ${error.stack ?? error}`);
  }
}

async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

await check('ollama: list, show, ps, version', async () => {
  const { models } = await ollama.list();
  assert.ok(models.some((m) => m.name === model));
  // Fields that clients read without a check for their presence.
  assert.ok(models.every((m) => m.digest.length >= 12 && m.size >= 0 && m.details.family !== undefined && !Number.isNaN(Date.parse(m.modified_at))));
  assert.ok((await ollama.show({ model })).details.family);
  assert.ok(Array.isArray((await ollama.ps()).models));
  assert.match((await ollama.version()).version, /^\d+\.\d+/);
});
await check('ollama: chat', async () => {
  const answer = await ollama.chat({ model, messages: question, options: { num_predict: 64 } });
  assert.equal(answer.done, true);
  assert.ok((answer.message.content + (answer.message.thinking ?? '')).length > 0);
});
await check('ollama: chat, streamed', async () => {
  const parts = await collect(await ollama.chat({ model, messages: question, stream: true, options: { num_predict: 20 } }));
  assert.ok(parts.length > 2);
  assert.equal(parts.at(-1).done, true);
  assert.ok(parts.at(-1).eval_count > 0);
});
await check('ollama: generate, streamed', async () => {
  const parts = await collect(await ollama.generate({ model, prompt: 'Once', stream: true, options: { num_predict: 20 } }));
  assert.equal(parts.at(-1).done, true);
});
await check('ollama: tools', async () => {
  const answer = await ollama.chat({ model, messages: toolQuestion, tools });
  assert.equal(answer.message.tool_calls[0].function.name, 'get_weather');
});
await check('ollama: embed', async () => {
  const { embeddings } = await ollama.embed({ model: embedModel, input: ['a', 'b'] });
  assert.equal(embeddings.length, 2);
});
await check('ollama: unknown model', async () => {
  await assert.rejects(ollama.chat({ model: 'nope', messages: question }), (e) => e.status_code === 404 && /'nope' not found/.test(e.message));
});
await check('ollama: abort', async () => {
  const stream = await ollama.chat({ model, messages: question, stream: true, options: { num_predict: 100000 } });
  await assert.rejects(async () => {
    for await (const _ of stream) stream.abort();
  }, { name: 'AbortError' });
});

await check('openai: models', async () => {
  const models = await collect(openai.models.list());
  assert.ok(models.some((m) => m.id === model));
  assert.equal((await openai.models.retrieve(model)).object, 'model');
});
await check('openai: chat', async () => {
  const answer = await openai.chat.completions.create({ model, messages: question, max_tokens: 20 });
  assert.equal(answer.choices[0].message.role, 'assistant');
  assert.ok(answer.usage.completion_tokens > 0);
});
await check('openai: chat, streamed, with usage', async () => {
  const parts = await collect(await openai.chat.completions.create({
    model, messages: question, max_tokens: 20, stream: true, stream_options: { include_usage: true },
  }));
  assert.ok(parts.some((p) => p.choices[0]?.finish_reason));
  assert.ok(parts.at(-1).usage.completion_tokens > 0);
});
await check('openai: tools', async () => {
  const answer = await openai.chat.completions.create({ model, messages: toolQuestion, tools });
  assert.equal(answer.choices[0].message.tool_calls[0].function.name, 'get_weather');
  assert.equal(answer.choices[0].finish_reason, 'tool_calls');
});
await check('openai: tools, streamed', async () => {
  const parts = await collect(await openai.chat.completions.create({ model, messages: toolQuestion, tools, stream: true }));
  const calls = parts.flatMap((p) => p.choices[0]?.delta?.tool_calls ?? []);
  assert.equal(calls[0].function.name, 'get_weather');
});
await check('openai: completions', async () => {
  const answer = await openai.completions.create({ model, prompt: 'Once', max_tokens: 10 });
  assert.equal(answer.object, 'text_completion');
});
await check('openai: embeddings', async () => {
  const answer = await openai.embeddings.create({ model: embedModel, input: ['a', 'b'] });
  assert.equal(answer.data.length, 2);
});
await check('openai: responses', async () => {
  const answer = await openai.responses.create({ model, input: 'Why?', max_output_tokens: 20 });
  assert.equal(answer.object, 'response');
});
await check('openai: responses, streamed', async () => {
  const events = await collect(await openai.responses.create({ model, input: 'Why?', max_output_tokens: 20, stream: true }));
  assert.ok(['response.completed', 'response.incomplete'].includes(events.at(-1).type));
});
await check('openai: unknown model', async () => {
  await assert.rejects(
    openai.chat.completions.create({ model: 'nope', messages: question }),
    (e) => e instanceof OpenAI.NotFoundError && e.type === 'not_found_error',
  );
});
await check('openai: bad request', async () => {
  await assert.rejects(openai.chat.completions.create({ model, messages: [] }), OpenAI.BadRequestError);
});

await check('anthropic: messages', async () => {
  const answer = await anthropic.messages.create({ model, max_tokens: 20, messages: question });
  assert.equal(answer.type, 'message');
  assert.ok(answer.usage.output_tokens > 0);
});
await check('anthropic: messages, streamed', async () => {
  const final = await anthropic.messages.stream({ model, max_tokens: 20, messages: question }).finalMessage();
  assert.ok(final.stop_reason);
});
await check('anthropic: tools', async () => {
  const answer = await anthropic.messages.create({
    model, max_tokens: 200, messages: toolQuestion, tools: [{ name: 'get_weather', description: 'The weather in a city', input_schema: parameters }],
  });
  assert.equal(answer.content.find((c) => c.type === 'tool_use').name, 'get_weather');
  assert.equal(answer.stop_reason, 'tool_use');
});
await check('anthropic: unknown model', async () => {
  await assert.rejects(
    anthropic.messages.create({ model: 'nope', max_tokens: 5, messages: question }),
    (e) => e instanceof Anthropic.NotFoundError && e.error.error.type === 'not_found_error',
  );
});

console.log(`${passed} checks passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
