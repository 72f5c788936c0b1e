import { mapInSlices, runInSlices } from '../../slices.ts';
import { newNonce, revisionOf } from '../change-id.ts';
import {
  copyParts,
  copySteps,
  parseStored,
  serializeAuditDraft,
  rowsOfRecords,
  versionSteps,
} from '../serialization.ts';
import type {
  CopyOffer,
  CopyRequest,
  Ledger,
  LedgerKind,
  Recovery,
  RestoredHistory,
  Snapshot,
} from '../store.ts';
import { CONTROL_LEDGER } from '../store.ts';
import { replyOf, runScript, type RedisContext } from './commands.ts';
import {
  auditArguments,
  collectionNumber,
  keysToWrite,
  sendLarge,
  versionArguments,
} from './commit.ts';
import { collectionsOf, FORMAT } from './keys.ts';
import { asList, asText, optional } from './reply.ts';
import { stageArguments } from './staging.ts';

/** Entries of the stream in one reply: what a turn of the event loop parses in a few milliseconds. */
const ENTRIES_PER_READ = 8;
/** A request and its offers are removed after this time, even if the server that made it has ended. */
const REQUEST_TTL_MS = 120_000;
/** The time that Redis may take to return all offers, which can be as large as the data of the installation. */
const READ_OFFERS_MS = 30_000;

/** Exchanges requests and copies over a stream in the slot of the control ledger. */
export const recoveryOn = (context: RedisContext): Recovery => {
  const { connections, keys } = context;
  const { restore, lost } = keys;
  const head = keys.head(CONTROL_LEDGER);
  const lostKey = lost(CONTROL_LEDGER);

  return {
    async guard(installation) {
      const allKeys = [head, lostKey, restore, keys.removed];
      const script = runScript(connections.send, 'guard', allKeys, [installation]);
      return optional(await replyOf(script), parseRequest);
    },
    async lost() {
      return optional(await replyOf(connections.send('hget', [lostKey, 'installation'])), asText);
    },
    async forget() {
      const allKeys = keysToWrite(context, CONTROL_LEDGER);
      await replyOf(runScript(connections.send, 'forget', allKeys, []));
    },
    async setRemoved(installation, isRemoved) {
      const [command, values] = isRemoved ? (['hset', ['1']] as const) : (['hdel', []] as const);
      await replyOf(connections.send(command, [keys.removed, installation, ...values]));
    },
    async wasRemoved(installation) {
      const reply = await replyOf(connections.send('hget', [keys.removed, installation]));
      return optional(reply, asText) !== undefined;
    },
    async requestCopies(request) {
      await replyOf(connections.send('unlink', [restore]));
      await replyOf(connections.send('xadd', [restore, '*', 'request', JSON.stringify(request)]));
      await replyOf(connections.send('pexpire', [restore, REQUEST_TTL_MS]));
    },
    async offerCopies({ server, copies }) {
      const add = (name: string, text: string) =>
        replyOf(
          connections.send('xadd', [restore, 'NOMKSTREAM', '*', 'server', server, name, text]),
        );
      for (const part of copies === undefined ? [] : copyParts(copies)) await add('part', part);
      await add('copies', copies === undefined ? 'announced' : 'complete');
    },
    offers: () => readOffers(context),
    async endRequest() {
      await replyOf(connections.send('unlink', [restore]));
    },
    restore: (ledger, snapshot, history) => restoreLedger(context, ledger, snapshot, history),
  };
};

/** Another application may have added an entry to the stream, and what it contains is not a request. */
const parseRequest = (entry: unknown): CopyRequest | undefined => {
  const [name, text = ''] = fieldsOf(entry);
  return name === 'request' ? parseStored<CopyRequest>(text, 'a request for copies') : undefined;
};

/** The parts of a server's copies come before the entry that completes its offer. */
const parseOffers = async (entries: readonly unknown[]): Promise<CopyOffer[]> => {
  const offers: CopyOffer[] = [];
  const parts = new Map<string, string[]>();
  for (const [name, server = '', field, text = ''] of entries.map(fieldsOf)) {
    if (name !== 'server') continue;
    const ofServer = parts.get(server) ?? [];
    parts.set(server, ofServer);
    if (field === 'part') ofServer.push(text);
    else if (text === 'announced') offers.push({ server, copies: undefined });
    else offers.push({ server, copies: await runInSlices(copySteps(ofServer)) });
  }
  return offers;
};

const fieldsOf = (entry: unknown): readonly string[] => asList(asList(entry)[1]).map(asText);

const readOffers = async ({ connections, keys }: RedisContext): Promise<CopyOffer[]> => {
  const connection = await connections.open(keys.restore, READ_OFFERS_MS);
  try {
    const entries: unknown[] = [];
    for (let after = '-'; ;) {
      const range = [keys.restore, after, '+', 'COUNT', ENTRIES_PER_READ];
      const read = asList(await replyOf(connection.send('xrange', range)));
      entries.push(...read);
      if (read.length < ENTRIES_PER_READ) return await parseOffers(entries);
      after = `(${asText(asList(read.at(-1))[0])}`;
    }
  } finally {
    connection.close();
  }
};

const restoreLedger = async <Kind extends LedgerKind>(
  context: RedisContext,
  ledger: Ledger<Kind>,
  { id, records }: Snapshot<Kind>,
  { versions, audit }: RestoredHistory,
): Promise<void> => {
  const { kind } = ledger;
  const versionRows = await runInSlices(versionSteps(versions));
  const documents = await mapInSlices(
    rowsOfRecords<Kind>(records),
    ({ collection, key, changeId, text }) => [
      collectionNumber(kind, collection),
      key,
      changeId,
      text,
    ],
  );
  const nonce = newNonce(context.random);
  const large = [...versionRows.map(row => versionArguments(kind, row)), ...documents];
  const { inline, bytes } = await stageArguments(context, ledger, nonce, large.values());
  const args = [
    FORMAT,
    id,
    revisionOf(id),
    audit.length,
    versionRows.length,
    collectionsOf(kind).length,
    documents.length,
    ...audit.map(serializeAuditDraft).flatMap(auditArguments),
    ...inline,
  ];
  const head = context.keys.head(ledger);
  const allKeys = [context.keys.staged(ledger, nonce), ...keysToWrite(context, ledger)];
  await replyOf(sendLarge(context, head, bytes, send => runScript(send, 'restore', allKeys, args)));
};
