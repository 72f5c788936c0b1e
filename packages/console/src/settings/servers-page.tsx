import type { ApiOutputs } from '@pennon/client';
import { useQuery } from '@tanstack/react-query';

import { ItemList, ListItem, Loaded, Section } from '../components/section.tsx';
import { t } from '../i18n/i18n.ts';
import { formatTime } from '../i18n/time.ts';
import { statusOptions } from './queries.ts';
import { useSettings } from './use-settings.ts';

type Status = ApiOutputs['status']['read'];
type Server = Status['servers'][number];

/** The running servers, and their store. */
export const ServersPage = () => {
  const { reason } = useSettings();
  return reason === undefined ? <Servers /> : <p className="hint note">{reason}</p>;
};

const Servers = () => {
  const { api } = useSettings();
  const status = useQuery(statusOptions(api));
  return (
    <Section title={t('settings.page.servers')} hint={t('servers.hint')}>
      <Loaded query={status}>
        {data => (
          <>
            <StoreState status={data} />
            <ItemList items={data.servers} empty="">
              {server => (
                <ListItem
                  key={server.id}
                  title={<bdi>{server.id}</bdi>}
                  about={[
                    server.self
                      ? t('servers.self')
                      : t('servers.heard', { seconds: server.heardSecondsAgo }),
                    t('servers.version', {
                      version: server.version,
                      time: formatTime(server.startedAt),
                    }),
                    t('servers.streams', { count: server.streams }),
                    server.degradedSeconds === 0
                      ? null
                      : t('servers.degraded', { seconds: server.degradedSeconds }),
                    ...lagOf(server),
                  ]}
                />
              )}
            </ItemList>
          </>
        )}
      </Loaded>
    </Section>
  );
};

const StoreState = ({ status: { store, problem } }: { readonly status: Status }) =>
  store === 'available' ? (
    <p role="status">{t('servers.storeAvailable')}</p>
  ) : (
    <p role="alert" className="notice">
      {t('app.withoutStore')} {problem}
    </p>
  );

/** Returns the environments of which a server does not have all changes. */
const lagOf = ({ environments }: Server): readonly string[] => {
  const late = environments.filter(({ behind }) => behind !== null && behind > 0);
  if (late.length > 0)
    return late.map(({ key, behind }) => t('servers.behind', { environment: key, count: behind }));
  return environments.some(({ behind }) => behind === null) ? [] : [t('servers.current')];
};
