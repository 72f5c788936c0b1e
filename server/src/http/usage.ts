import { LIMITS, UsageReport } from '@pennon/schema';
import type { FastifyInstance } from 'fastify';

import { parseOrThrow } from '../resources/parse.ts';
import type { Services } from '../services.ts';
import { acceptReport } from '../usage/report.ts';
import { serveReports } from './reports.ts';

/** Receives what providers have counted. */
export const serveUsageReports = (app: FastifyInstance, services: Services): void =>
  serveReports(app, services, {
    path: '/usage',
    permission: 'usage.write',
    bodyLimit: LIMITS.usageReportBytes,
    receive({ caller, body, environment }) {
      const report = parseOrThrow(UsageReport, body ?? {});
      return acceptReport(services, caller, { report, environment });
    },
  });
