import { parseStored } from '../serialization.ts';
import type { FleetMember, ServerReport } from '../store.ts';
import { replyOf, run, type RedisContext } from './context.ts';
import { rowsOf } from './reply.ts';

/** Says that this server is alive, and answers all that are. */
export const heartbeat = async (
  { connections, keys }: RedisContext,
  report: ServerReport,
  lastsMs: number,
): Promise<FleetMember[]> => {
  const args = [report.id, JSON.stringify(report), lastsMs];
  const reply = run(connections.send, 'announce', [keys.servers, keys.reports], args);
  return rowsOf(await replyOf(reply), 3).map(([id = '', ageMs, text = '']) => ({
    report: parseStored<ServerReport>(text, `server/${id}`),
    ageMs: Number(ageMs),
  }));
};

/** Takes that back at once, so that the others need not wait until it has lasted. */
export const leave = async ({ connections, keys }: RedisContext, id: string): Promise<void> => {
  await replyOf(connections.send('zrem', [keys.servers, id]));
};
