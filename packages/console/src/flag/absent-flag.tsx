import { useState } from 'react';

import type { Api } from '../api/api.ts';
import { t } from '../i18n/i18n.ts';
import { HistoryTab } from './history-tab.tsx';

type AbsentFlagProps = {
  readonly api: Api;
  readonly environment: string;
  readonly flag: string;
  readonly mayWrite: boolean;
};

/** An environment without the flag, which may have been deleted and can be brought back then. */
export const AbsentFlag = ({ environment, ...props }: AbsentFlagProps) => {
  const [hasHistory, setHasHistory] = useState(false);
  return (
    <>
      <div className="tab-body">
        <p>{t('flag.absent', { environment })}</p>
        {!hasHistory && (
          <button type="button" className="button" onClick={() => setHasHistory(true)}>
            {t('history.ofDeleted')}
          </button>
        )}
      </div>
      {hasHistory && <HistoryTab {...props} environment={environment} live={undefined} />}
    </>
  );
};
