// A real OpenID provider on loopback, in the manner of Entra ID. It reads its configuration as one
// line of JSON, prints "ready", and ends when nobody holds the other end of its input any more.
//
//   /tenant/v2.0/…   the provider; its issuer is that address
//   /tenant/…        what Entra ID has besides: the documents and device codes of version 1
//   /…               a second provider, whose issuer has no path
//   /graph/v1.0/…    the directory, open to applications with a token of the provider
//   /control         POST: changes parts of the configuration
import { createServer, request as callHttps } from 'node:https';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

import Provider from 'oidc-provider';

const CLAIMS = ['upn', 'preferred_username', 'oid', 'tid', 'name', 'email', 'groups', 'hasgroups',
  '_claim_names'];
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

let settings;
let providers;
let calls = {};

function build(issuer) {
  const { people, audience } = settings;
  const resource = `api://${audience}`;
  const provider = new Provider(issuer, {
    clients: settings.clients,
    jwks: { keys: settings.keys },
    cookies: { keys: ['of the tests'] },
    claims: { openid: ['sub', ...CLAIMS], profile: [], email: [] },
    conformIdTokenClaims: false,
    scopes: ['openid', 'offline_access', 'user_impersonation'],
    ttl: { AccessToken: 3600, ClientCredentials: 600, DeviceCode: 600 },
    pkce: { required: () => false },
    findAccount: (ctx, id) => people[id] && {
      accountId: id,
      claims: () => ({ sub: `subject of ${id}`, ...people[id].claims }),
    },
    // Nobody is asked for consent.
    loadExistingGrant: async (ctx) => {
      const { client, session } = ctx.oidc;
      const grant = new ctx.oidc.provider.Grant({
        clientId: client.clientId, accountId: session.accountId,
      });
      grant.addOIDCScope('openid profile email offline_access');
      grant.addResourceScope(resource, 'user_impersonation');
      await grant.save();
      return grant;
    },
    extraTokenClaims: (ctx, token) => token.accountId && people[token.accountId]?.claims,
    formats: {
      customizers: {
        jwt: (ctx, token, { header, payload }) => {
          if (settings.like_entra) {
            header.typ = 'JWT';
            if (payload.scope) payload.scp = payload.scope;
            delete payload.scope;
          }
        },
      },
    },
    features: {
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: 'user_impersonation',
          audience,
          accessTokenTTL: 3600,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  });
  provider.on('server_error', (ctx, error) => console.error(error));
  return provider;
}

function configure(changes) {
  settings = { ...settings, ...changes };
  const origin = `https://127.0.0.1:${settings.port}`;
  settings.origin = origin;
  providers = { tenant: build(`${origin}/tenant/v2.0`), plain: build(origin) };
}

function answer(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

// Device codes of version 1, which the original server's clients ask for, by those of version 2.
async function deviceCodeOfVersionOne(request, response, path) {
  const given = new URLSearchParams(await text(request));
  const isBegin = path.endsWith('/devicecode');
  const asked = new URLSearchParams({
    client_id: given.get('client_id'),
    resource: `api://${given.get('resource')}`,
    ...isBegin ? { scope: 'openid' } : { grant_type: DEVICE_CODE, device_code: given.get('code') },
  });
  const { status, body } = await new Promise((resolve, reject) => {
    const address = `${settings.origin}/tenant/v2.0/${isBegin ? 'device/auth' : 'token'}`;
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    callHttps(address, { method: 'POST', headers, ca: settings.certificate }, async (answered) => {
      resolve({ status: answered.statusCode, body: JSON.parse(await text(answered)) });
    }).on('error', reject).end(asked.toString());
  });
  if (isBegin) {
    body.verification_url = body.verification_uri;
    body.message = `To sign in, open ${body.verification_url} and enter the code ${body.user_code}.`;
    body.interval = '1';
  }
  answer(response, status, body);
}

function versionOne(path) {
  const { origin } = settings;
  if (path === '/tenant/.well-known/openid-configuration') {
    return {
      issuer: `${origin}/sts/`,
      jwks_uri: `${origin}/tenant/v2.0/jwks`,
      authorization_endpoint: `${origin}/tenant/v2.0/auth`,
      token_endpoint: `${origin}/tenant/v2.0/token`,
    };
  }
  return null;
}

async function graph(request, response, url) {
  const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
  if (!await providers.tenant.ClientCredentials.find(token)) {
    answer(response, 401, { error: { code: 'InvalidAuthenticationToken' } });
    return;
  }
  const [kind, id, action] = url.pathname.slice('/graph/v1.0/'.length).split('/');
  if (kind === 'groups') {
    const wanted = /displayName eq '((?:[^']|'')*)'/.exec(url.searchParams.get('$filter'));
    const name = wanted?.[1].replaceAll("''", "'").toLowerCase();
    const value = settings.groups.filter((each) => each.displayName.toLowerCase() === name);
    answer(response, 200, { value });
    return;
  }
  const person = Object.values(settings.people).find((each) => each.claims.oid === id);
  if (!person) answer(response, 404, { error: { code: 'Request_ResourceNotFound' } });
  else if (action === 'getMemberObjects') {
    // In two pages, as large answers are.
    const next = `${settings.origin}${url.pathname}?page=2`;
    const isFirst = !url.searchParams.has('page');
    const half = Math.ceil(person.members.length / 2);
    answer(response, 200, isFirst
      ? { value: person.members.slice(0, half), '@odata.nextLink': next }
      : { value: person.members.slice(half) });
  } else {
    const { claims } = person;
    answer(response, 200, {
      id,
      userPrincipalName: claims.upn,
      displayName: claims.name,
      mail: claims.email ?? null,
      accountEnabled: person.enabled ?? true,
    });
  }
}

async function serve(request, response) {
  const url = new URL(request.url, settings.origin);
  calls[url.pathname] = (calls[url.pathname] ?? 0) + 1;
  if (url.pathname === '/control') {
    if (request.method === 'POST') configure(JSON.parse(await text(request)));
    answer(response, 200, { calls });
    return;
  }
  if (settings.is_out) {
    answer(response, 503, { error: 'out of order' });
    return;
  }
  if (url.pathname.startsWith('/graph/')) {
    await graph(request, response, url);
    return;
  }
  if (url.pathname.startsWith('/tenant/oauth2/')) {
    await deviceCodeOfVersionOne(request, response, url.pathname);
    return;
  }
  const old = versionOne(url.pathname);
  if (old) {
    answer(response, 200, old);
    return;
  }
  const mount = '/tenant/v2.0';
  if (url.pathname.startsWith(`${mount}/`)) {
    request.originalUrl = request.url;
    request.url = request.url.slice(mount.length);
    providers.tenant.callback()(request, response);
  } else providers.plain.callback()(request, response);
}

const input = createInterface({ input: process.stdin });
input.once('line', (line) => {
  configure(JSON.parse(line));
  const { port, certificate, key } = settings;
  createServer({ cert: certificate, key }, (request, response) => {
    serve(request, response).catch((error) => {
      console.error(error);
      answer(response, 500, { error: String(error) });
    });
  }).listen(port, '127.0.0.1', () => console.log('ready'));
});
input.once('close', () => process.exit(0));
