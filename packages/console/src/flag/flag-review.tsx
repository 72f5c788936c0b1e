import { ConfirmDialog } from '../components/confirm-dialog.tsx';
import { t } from '../i18n/i18n.ts';
import { ChangeList } from './change-list.tsx';
import { describeChanges } from './changes.ts';
import type { Draft } from './draft.ts';
import { describeResult } from './explanation.ts';
import { Findings } from './findings.tsx';
import { JsonChanges } from './json-changes.tsx';
import type { Check } from './use-check.ts';

type FlagReviewProps = {
  readonly isOpen: boolean;
  readonly environment: string;
  readonly draft: Draft;
  readonly check: Check;
  /** Why the last attempt has failed. */
  readonly error: string | undefined;
  readonly isApplying: boolean;
  readonly onApply: (comment: string) => void;
  readonly onClose: () => void;
};

/** Shows what a draft changes, and which contexts get something else, before it is written. */
export const FlagReview = ({
  environment,
  draft,
  check,
  isApplying,
  ...props
}: FlagReviewProps) => (
  <ConfirmDialog
    isOpen={props.isOpen}
    title={t('flagReview.title', { flag: draft.base.key, environment })}
    action={t('review.apply')}
    error={props.error}
    isBlocked={check.problems.length > 0 || check.isChecking || isApplying}
    takesComment
    isWide
    onConfirm={props.onApply}
    onClose={props.onClose}
  >
    <Review draft={draft} check={check} />
  </ConfirmDialog>
);

const Review = ({ draft, check }: Pick<FlagReviewProps, 'draft' | 'check'>) => {
  const { base, document } = draft;
  return (
    <>
      <ChangeList changes={describeChanges(base, document)} />
      <details>
        <summary>{t('flagReview.json')}</summary>
        <JsonChanges base={base} document={document} />
      </details>
      <Outcomes check={check} />
      <Findings problems={check.problems} warnings={check.warnings} />
    </>
  );
};

/** What saved contexts get before and after. */
const Outcomes = ({ check: { results } }: { readonly check: Check }) =>
  results.length === 0 ? (
    <p className="hint">{t('flagReview.noContexts')}</p>
  ) : (
    <div
      className="table-scroller"
      tabIndex={0}
      role="region"
      aria-label={t('flagReview.contexts')}
    >
      <table>
        <thead>
          <tr>
            <th scope="col">{t('flagReview.context')}</th>
            <th scope="col">{t('flagReview.before')}</th>
            <th scope="col">{t('flagReview.after')}</th>
          </tr>
        </thead>
        <tbody>
          {results.map(({ key, name, evaluation: { live, draft, changed } }) => (
            <tr key={key} className={changed ? 'changed' : ''}>
              <th scope="row">
                <bdi>{name}</bdi>
              </th>
              <td>{describeResult(live)}</td>
              <td>{changed ? <strong>{describeResult(draft)}</strong> : t('flagReview.same')}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
