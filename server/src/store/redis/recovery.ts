import { runInSlices } from '../../slices.ts';
import { revisionOf } from '../change-id.ts';
import {
  parseCopies,
  parseStored,
  serializeAuditDraft,
  serializeCopies,
  serializeRecords,
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
  bytesOf,
  collectionNumber,
  keysToWrite,
  sendLarge,
  versionArguments,
} from './commit.ts';
import { collectionsOf, FORMAT } from './keys.ts';
import { asList, asText, optional } from './reply.ts';

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
      const script = runScript(connections.send, 'guard', [head, lostKey, restore], [installation]);
      return optional(await replyOf(script), parseRequest);
    },
    async lost() {
      return optional(await replyOf(connections.send('hget', [lostKey, 'installation'])), asText);
    },
    async forget() {
      const allKeys = keysToWrite(context, CONTROL_LEDGER);
      await replyOf(runScript(connections.send, 'forget', allKeys, []));
    },
    async requestCopies(request) {
      await replyOf(connections.send('unlink', [restore]));
      await replyOf(connections.send('xadd', [restore, '*', 'request', JSON.stringify(request)]));
      await replyOf(connections.send('pexpire', [restore, REQUEST_TTL_MS]));
    },
    async offerCopies({ server, copies }) {
      const text = copies === undefined ? '' : serializeCopies(copies);
      const args = [restore, 'NOMKSTREAM', '*', 'server', server, 'copies', text];
      await replyOf(sendLarge(context, restore, bytesOf(args), send => send('xadd', args)));
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

const parseOffer = (entry: unknown): CopyOffer[] => {
  const [name, server = '', , text = ''] = fieldsOf(entry);
  if (name !== 'server') return [];
  return [{ server, copies: text === '' ? undefined : parseCopies(text) }];
};

const fieldsOf = (entry: unknown): readonly string[] => asList(asList(entry)[1]).map(asText);

const readOffers = async ({ connections, keys }: RedisContext): Promise<CopyOffer[]> => {
  const connection = await connections.open(keys.restore, READ_OFFERS_MS);
  try {
    const entries = await replyOf(connection.send('xrange', [keys.restore, '-', '+']));
    return asList(entries).flatMap(parseOffer);
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
  const args = [
    FORMAT,
    id,
    revisionOf(id),
    audit.length,
    versionRows.length,
    collectionsOf(kind).length,
    ...audit.map(serializeAuditDraft).flatMap(auditArguments),
    ...versionRows.flatMap(row => versionArguments(kind, row)),
    ...serializeRecords(kind, records).flatMap(row => [
      collectionNumber(kind, row.collection),
      row.key,
      row.changeId,
      row.text,
    ]),
  ];
  const allKeys = keysToWrite(context, ledger);
  const head = context.keys.head(ledger);
  await replyOf(
    sendLarge(context, head, bytesOf(args), send => runScript(send, 'restore', allKeys, args)),
  );
};
