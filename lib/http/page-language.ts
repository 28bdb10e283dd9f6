/** The languages of the pages; the first is for everybody else. */
export const pageLanguages = ['en', 'de'] as const
export type PageLanguage = (typeof pageLanguages)[number]

/** The language that an Accept-Language header likes best (RFC 9110 §12.5.4). */
export function chooseLanguage (header: string | undefined): PageLanguage {
  const liked = (header ?? '').split(',')
    .map((range) => {
      const [tag = '', ...parameters] = range.trim().toLowerCase().split(/\s*;\s*/)
      const weight = parameters.find((parameter) => parameter.startsWith('q='))
      return { language: pageLanguages.find((one) => one === tag.split('-', 1).at(0)), quality: weight === undefined ? 1 : Number(weight.slice(2)) }
    })
    .filter(({ language, quality }) => language !== undefined && quality > 0)
    .sort((one, other) => other.quality - one.quality)
  return liked.at(0)?.language ?? pageLanguages[0]
}
