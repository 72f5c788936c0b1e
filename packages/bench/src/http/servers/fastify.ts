/** Fastify with a fixed response: parses the body as JSON, and does nothing with it. */
import Fastify from 'fastify';

import { fixedResponse, listen } from './support.ts';

const body = fixedResponse();
const app = Fastify({ logger: false });
app.post('/*', async (_, reply) => reply.type('application/json; charset=utf-8').send(body));
await app.listen({ port: 0, host: '127.0.0.1' });
listen(app.server.address());
