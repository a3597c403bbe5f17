// Environments, agents, sessions and events through the TypeScript SDK. PADDOCK_TEST_SDK names its
// package: that of either API version. Base URL and key come from the variables that the SDK reads.

import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import http from 'node:http';
import https from 'node:https';
import {createRequire} from 'node:module';
import {after, test} from 'node:test';

const require = createRequire(`${process.env.PADDOCK_TEST_CLIENTS}/`);
const sdk = require(process.env.PADDOCK_TEST_SDK);
const Anthropic = sdk.default ?? sdk.Anthropic;
const is2026 = process.env.PADDOCK_TEST_SDK === 'sdk-2026';
const client = new Anthropic();
const {environments, agents, sessions} = client.beta;

const MODEL = 'claude-opus-4-7';
let made = 0;
const unique = (stem) => `${stem}-ts-${process.pid}-${Date.now()}-${made++}`;

const cleanUps = [];
after(async () => {
  for (const cleanUp of cleanUps.reverse()) {
    await cleanUp().catch((error) => {
      if (!(error instanceof Anthropic.NotFoundError)) throw error;
    });
  }
});

async function newEnvironment(fields = {}, owner = client) {
  const environment = await owner.beta.environments.create({name: unique('env'), ...fields});
  cleanUps.push(() => owner.beta.environments.delete(environment.id));
  return environment;
}

async function newAgent(fields = {}) {
  const agent = await agents.create({name: 'ts', model: MODEL, ...fields});
  cleanUps.push(() => agents.archive(agent.id));
  return agent;
}

async function newSession(fields = {}) {
  const environment_id = fields.environment_id ?? (await newEnvironment()).id;
  const agent = fields.agent ?? (await newAgent()).id;
  const session = await sessions.create({...fields, agent, environment_id});
  cleanUps.push(() => sessions.delete(session.id));
  return session;
}

// The error that the call is refused with: of that class, with a request id.
async function refused(errorClass, call) {
  let error;
  await assert.rejects(call, (caught) => {
    error = caught;
    return true;
  });
  assert.ok(error instanceof errorClass, `${error.constructor.name}: ${error.message}`);
  assert.ok(error.requestID, 'no request-id header');
  assert.equal(error.error.type, 'error');
  return error;
}

// A client of a workspace of its own.
async function tenant() {
  const home = process.env.PADDOCK_HOME;
  const child = spawn(`${home}/bin/controlplane`, ['create-api-key', '--organization=rest-tests',
    `--workspace=${unique('w')}`, '--name=rest-tests'], {stdio: ['ignore', 'pipe', 'ignore']});
  let secret = '';
  for await (const data of child.stdout) secret += data;
  return new Anthropic({apiKey: secret.trim()});
}

// A proxy in front of the server that counts requests.
async function recorder() {
  const base = new URL(process.env.PADDOCK_HTTP_URL);
  const requests = [];
  const server = http.createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    const behind = https.request(new URL(request.url, base),
      {method: request.method, headers: request.headers}, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
    request.pipe(behind);
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  cleanUps.push(async () => {
    server.close();
    server.closeAllConnections();
  });
  return {requests, url: `http://127.0.0.1:${server.address().port}`};
}

test('an environment lives from create to delete', async () => {
  const name = unique('life');
  const environment = await environments.create({
    name,
    config: {type: 'cloud', networking: {type: 'unrestricted'}, packages: {pip: ['pandas']}},
  });
  assert.match(environment.id, /^env_/);
  assert.equal(environment.name, name);
  assert.equal(environment.type, 'environment');
  assert.equal(environment.description, null);
  assert.equal(environment.archived_at, null);
  assert.deepEqual(environment.config.packages.pip, ['pandas']);
  assert.deepEqual(environment.config.packages.npm, []);
  assert.deepEqual(environment.config.networking, {type: 'unrestricted'});
  assert.deepEqual(await environments.retrieve(environment.id), environment);
  const updated = await environments.update(environment.id, {
    description: 'new',
    metadata: {a: '1', b: '2'},
    config: {type: 'cloud', packages: {apt: ['jq']}},
  });
  assert.equal(updated.description, 'new');
  assert.deepEqual(updated.config.packages.pip, ['pandas']);
  assert.deepEqual(updated.config.packages.apt, ['jq']);
  const cleared = await environments.update(environment.id, {
    description: null, metadata: {a: null}});
  assert.equal(cleared.description, null);
  assert.deepEqual(cleared.metadata, {b: '2'});
  const archived = await environments.archive(environment.id);
  assert.ok(archived.archived_at);
  assert.equal((await environments.archive(environment.id)).archived_at, archived.archived_at);
  await refused(Anthropic.BadRequestError,
    () => environments.update(environment.id, {description: 'late'}));
  assert.deepEqual(await environments.delete(environment.id),
    {id: environment.id, type: 'environment_deleted'});
  await refused(Anthropic.NotFoundError, () => environments.retrieve(environment.id));
});

test('lists page through all, newest first', async () => {
  const owner = await tenant();
  const ids = [];
  for (let i = 0; i < 5; ++i) ids.unshift((await newEnvironment({}, owner)).id);
  for (const limit of [1, 2, 5, 1000]) {
    const listed = [];
    for await (const each of owner.beta.environments.list({limit})) listed.push(each.id);
    assert.deepEqual(listed, ids);
  }
  await owner.beta.environments.archive(ids[2]);
  const left = [];
  for await (const each of owner.beta.environments.list({limit: 2})) left.push(each.id);
  assert.deepEqual(left, ids.filter((id) => id !== ids[2]));
});

test('an agent has versions', async () => {
  const agent = await newAgent({system: 'first', tools: [{type: 'agent_toolset_20260401'}]});
  assert.equal(agent.version, 1);
  assert.equal(agent.model.id, MODEL);
  assert.equal(agent.description, null);
  const second = await agents.update(agent.id, {version: 1, system: null});
  assert.equal(second.version, 2);
  assert.equal(second.system, null);
  assert.equal(second.tools.length, 1);
  assert.equal((await agents.retrieve(agent.id, {version: 1})).system, 'first');
  await refused(Anthropic.ConflictError, () => agents.update(agent.id, {version: 1, name: 'late'}));
  const versions = [];
  for await (const each of agents.versions.list(agent.id, {limit: 1})) versions.push(each.version);
  assert.deepEqual(versions.sort(), [1, 2]);
  assert.ok((await agents.archive(agent.id)).archived_at);
});

test('a session starts idle and ends terminated', async () => {
  const agent = await newAgent();
  const environment = await newEnvironment();
  const session = await client.beta.sessions.create({
    agent: agent.id, environment_id: environment.id});
  cleanUps.push(() => sessions.delete(session.id));
  assert.equal(session.status, 'idle');
  assert.equal(session.agent.id, agent.id);
  assert.equal(session.title, null);
  assert.deepEqual(session.resources, []);
  const updated = await sessions.update(session.id, {title: 'named', metadata: {a: '1'}});
  assert.equal(updated.title, 'named');
  assert.deepEqual(updated.metadata, {a: '1'});
  const listed = [];
  for await (const each of sessions.list({agent_id: agent.id})) listed.push(each.id);
  assert.deepEqual(listed, [session.id]);
  const error = await refused(Anthropic.ConflictError, () => environments.delete(environment.id));
  assert.match(error.message, new RegExp(session.id));
  assert.equal((await sessions.archive(session.id)).status, 'terminated');
  assert.deepEqual(await sessions.delete(session.id), {id: session.id, type: 'session_deleted'});
});

test('events are listed and streamed', async () => {
  const session = await newSession();
  const listed = [];
  for await (const event of sessions.events.list(session.id)) listed.push(event.type);
  assert.ok(listed.includes('session.status_idle'), `${listed}`);
  const streamed = [];
  for await (const event of await sessions.events.stream(session.id)) {
    streamed.push(event.type);
    if (event.type === 'session.status_idle') await sessions.delete(session.id);
  }
  assert.equal(streamed[0], 'session.status_idle');
  assert.equal(streamed.at(-1), 'session.deleted');
});

test('sending events is refused with the reason', async () => {
  const session = await newSession();
  const events = [{type: 'user.message', content: [{type: 'text', text: 'hi'}]}];
  const error = await refused(Anthropic.APIError,
    () => sessions.events.send(session.id, {events}));
  assert.match(error.message, /sandbox/);
  assert.match(error.message, /model/);
});

test('errors have the class of their status and code, and are sent once', async () => {
  const {requests, url} = await recorder();
  const recorded = new Anthropic({baseURL: url}).beta.environments;
  const taken = await newEnvironment();
  const once = async (errorClass, call) => {
    requests.length = 0;
    const error = await refused(errorClass, call);
    assert.equal(requests.length, 1, `sent ${requests}`);
    assert.equal(error.headers.get('x-should-retry'), 'false');
    return error;
  };
  await once(Anthropic.ConflictError, () => recorded.create({name: taken.name}));
  await once(Anthropic.BadRequestError, () => recorded.create({name: ''}));
  await once(Anthropic.BadRequestError, () => recorded.create({name: unique('x'), typo: 1}));
  await once(Anthropic.NotFoundError, () => recorded.retrieve('env_none'));
  const stranger = new Anthropic({baseURL: url, apiKey: 'wrong'});
  await once(Anthropic.AuthenticationError, () => stranger.beta.environments.list());
  await environments.archive(taken.id);
  const archived = await once(Anthropic.BadRequestError,
    () => recorded.update(taken.id, {description: 'late'}));
  assert.equal(archived.error.error.details.error_code, 'environment_archived');
  if (is2026) assert.equal(archived.constructor.name, 'BetaEnvironmentArchivedError');
});
