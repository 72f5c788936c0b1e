import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { hasPermissionAnywhere } from '../auth/caller.ts';
import {
  changeManifestFlag,
  createManifestFlag,
  deleteManifestFlag,
  readManifest,
} from '../manifest/manifest.ts';
import type { ManifestFlag } from '../manifest/manifest-flag.ts';
import type { Services } from '../services.ts';
import { mapInSlices } from '../slices.ts';
import { callerOf } from './access.ts';
import { sendShared } from './compression.ts';
import { MANIFEST_API } from './manifest-errors.ts';
import { onlyEnvironment } from './request.ts';

type OneFlag = { Params: { key: string } };

const READ = { config: { access: { permission: 'flags.read' } } } as const;
const WRITE = { config: { access: { permission: 'flags.write' } } } as const;
const FLAGS = `${MANIFEST_API}/flags`;

/** Serves the flags as the OpenFeature CLI reads and writes them (`openfeature pull` and `push`). */
export const serveManifest = (app: FastifyInstance, services: Services): void => {
  app.get(MANIFEST_API, READ, async (request, reply) => {
    const { environment } = onlyEnvironment(request);
    const flags = await readManifest(services, callerOf(request), environment);
    return sendShared(request, withHeaders(request, reply), await textOf(flags));
  });

  app.post(FLAGS, WRITE, async (request, reply) => {
    const write = { ...onlyEnvironment(request), body: request.body };
    const created = await createManifestFlag(services, callerOf(request), write);
    return withHeaders(request, reply).code(201).send(created);
  });

  app.put<OneFlag>(`${FLAGS}/:key`, WRITE, async (request, reply) => {
    const write = { ...onlyEnvironment(request), key: request.params.key, body: request.body };
    return withHeaders(request, reply).send(
      await changeManifestFlag(services, callerOf(request), write),
    );
  });

  app.delete<OneFlag>(`${FLAGS}/:key`, WRITE, async (request, reply) => {
    const target = { ...onlyEnvironment(request), key: request.params.key };
    return withHeaders(request, reply).send(
      await deleteManifestFlag(services, callerOf(request), target),
    );
  });
};

/** Adds what the key may do with a manifest. */
const withHeaders = (request: Pick<FastifyRequest, 'caller'>, reply: FastifyReply): FastifyReply =>
  reply
    .type('application/json; charset=utf-8')
    .header('cache-control', 'private, no-cache')
    .header('x-manifest-capabilities', capabilitiesOf(request));

const capabilitiesOf = ({ caller }: Pick<FastifyRequest, 'caller'>): string =>
  caller !== undefined && hasPermissionAnywhere(caller, 'flags.write')
    ? 'read,write,delete'
    : 'read';

/** Serializes flags one by one, because there can be many. */
const textOf = async (flags: readonly ManifestFlag[]): Promise<Buffer[]> => [
  Buffer.from('{"flags":['),
  ...(await mapInSlices(flags.entries(), ([index, flag]) =>
    Buffer.from((index === 0 ? '' : ',') + JSON.stringify(flag)),
  )),
  Buffer.from(']}'),
];
