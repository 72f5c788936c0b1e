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
 * Returns a component whose code is loaded when it is first rendered. After an upgrade of the server, the files of the
 * previous version no longer exist: then it shows that the page must be loaded again.
 */
export const lazyPart = <Props extends object>(
  load: () => Promise<ComponentType<Props>>,
): LazyExoticComponent<ComponentType<Props>> =>
  lazy(() =>
    load().then(
      component => ({ default: component }),
      () => ({ default: MissingPart }),
    ),
  );

const MissingPart = () => (
  <div className="banner missing-part" role="alert">
    <p>{t('app.missingPart')}</p>
    <button type="button" className="button" onClick={() => location.reload()}>
      {t('app.reload')}
    </button>
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
