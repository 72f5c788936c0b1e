import type { Api } from '../api/api.ts';
import { t } from '../i18n/i18n.ts';
import { FirstEvaluation } from './first-evaluation.tsx';
import { readContext } from './context.ts';
import type { FlagDocument } from './document.ts';
import { SnippetView } from './snippet-view.tsx';

type CodeTabProps = {
  readonly api: Api;
  readonly flag: string;
  /** The server, without a slash at the end. */
  readonly url: string;
  readonly environment: string;
  readonly document: FlagDocument;
};

/** How an application reads the flag, for the context that was tried last. */
export const CodeTab = ({ api, flag, ...props }: CodeTabProps) => (
  <section className="tab-body code-tab">
    <h2 className="sr-only">{t('flag.tab.code')}</h2>
    <SnippetView {...props} context={readContext(sessionStorage)} />
    <FirstEvaluation api={api} environment={props.environment} flag={flag} />
  </section>
);
