import {
  lazy,
  Suspense,
  useState,
  type ComponentType,
  type LazyExoticComponent,
  type ReactNode,
} from 'react';

import { t } from '../i18n/i18n.ts';

/**
 * Returns a component whose code is loaded when it is first rendered. If that fails, the component shows why, and loads
 * it again on demand.
 */
export const lazyPart = <Props extends object>(
  load: () => Promise<ComponentType<Props>>,
): LazyExoticComponent<ComponentType<Props>> => {
  // React does not call `load` again after a failure.
  const MissingPart = (props: Props) => {
    const [part, setPart] = useState<{ readonly Part: ComponentType<Props> }>();
    const [isOffline, setIsOffline] = useState(!navigator.onLine);
    const retry = (): Promise<void> =>
      load().then(
        Part => setPart({ Part }),
        () => setIsOffline(!navigator.onLine),
      );
    return part === undefined ? (
      <LoadAgain isOffline={isOffline} onRetry={() => void retry()} />
    ) : (
      <part.Part {...props} />
    );
  };
  return lazy(() =>
    load().then(
      component => ({ default: component }),
      () => ({ default: MissingPart }),
    ),
  );
};

type LoadAgainProps = { readonly isOffline: boolean; readonly onRetry: () => void };

/** After an upgrade of the server, the files of the previous version no longer exist. */
const LoadAgain = ({ isOffline, onRetry }: LoadAgainProps) => (
  <div className="banner missing-part" role="alert">
    <p>{t(isOffline ? 'app.offlinePart' : 'app.missingPart')}</p>
    <button type="button" className="button" onClick={onRetry}>
      {t('app.retry')}
    </button>
    {!isOffline && (
      <button type="button" className="button" onClick={() => location.reload()}>
        {t('app.reload')}
      </button>
    )}
  </div>
);

type LaterProps = { readonly isNeeded: boolean; readonly children: ReactNode };

/** Renders nothing until it is first needed. From then on its children decide what they show. */
export const Later = ({ isNeeded, children }: LaterProps) => {
  const [wasNeeded, setWasNeeded] = useState(isNeeded);
  if (isNeeded && !wasNeeded) setWasNeeded(true);
  return wasNeeded && <Suspense fallback={<Loading />}>{children}</Suspense>;
};

/** Nothing to see. Letters that are typed while it is loading are not shortcuts. */
const Loading = () => <span hidden className="loading-part" />;
