/** The time of day, in ms since 1970, whatever a test has made of `Date` since: those who judge a certificate go by it. */
export const wallTime: () => number = Date.now.bind(Date)
